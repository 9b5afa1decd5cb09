import pandas as pd
import pytest
from small_lectures import SMALL

from magan import classifier
from magan.images.arrays import digits
from magan.lectures import LECTURES


@pytest.fixture(scope="session")
def small_runs() -> dict[str, pd.DataFrame]:
    """The points of every experiment with tiny networks, two seeds and a few steps."""
    images, found = digits(), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "EPOCHS", 1)
        patch.setattr(classifier, "STEPS", (4, 4))
        for name, lecture in LECTURES.items():
            given = [images] if lecture.of_images else []
            found[name] = lecture.run([0, 1], *given, **SMALL[name])
    return found
