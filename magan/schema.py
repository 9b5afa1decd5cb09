"""``python -m magan.schema [sheet]`` prints the schema of a study, or of a sample sheet, for workflow/schemas."""

import json
import sys

from magan.config import SheetRow
from magan.study import Study

if __name__ == "__main__":
    print(json.dumps((SheetRow if sys.argv[1:] == ["sheet"] else Study).model_json_schema(), indent=2))
