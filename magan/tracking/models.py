"""Trained models in the registry of the store: as code and tensors, without a pickle."""

import hashlib
import importlib.metadata
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

CODE = Path(__file__).with_name("pyfunc.py")
DIGEST, RUN = "magan.digest", "magan.run_id"
ABOUT = "Corrects a table of cells of a batch, by the method that its study deploys: marker names in, the same out."
CHAMPION = "champion"  # alias of the version that the study deploys


@dataclass(frozen=True)
class Model:
    """A model that corrects tables of cells.

    ``name`` is what it is registered under, ``path`` what `Aligner.save` wrote, ``example`` a few cells as measured,
    with a column per marker of the model, and ``batch`` the batch of these cells.
    """

    name: str
    path: Path
    example: pd.DataFrame
    batch: str

    @property
    def digest(self) -> str:
        """Sha256 of the weights and of the code that runs them; two models with the same digest are one version."""
        return hashlib.sha256(self.path.read_bytes() + CODE.read_bytes()).hexdigest()


def register(client, experiment: str, run_id: str, model: Model) -> tuple[str, str]:
    """Make a version of a registered model, unless one of its versions is this very model.

    Parameters
    ----------
    client
        Of the store.
    experiment, run_id
        Where the model was trained. A version stays when its run is logged again; its tag ``magan.run_id`` follows.
    model
        What to register.

    Returns
    -------
    tuple
        ``models:/<name>/<version>``, and what was done: logged or kept.
    """
    digest = model.digest
    versions = client.search_model_versions(f"name='{model.name}'")
    if not versions and not client.search_registered_models(f"name='{model.name}'"):
        client.create_registered_model(model.name, description=ABOUT)
    version = next((v for v in versions if v.tags.get(DIGEST) == digest), None)
    if version is not None:
        if version.tags.get(RUN) != run_id:
            client.set_model_version_tag(model.name, version.version, RUN, run_id)
        client.set_registered_model_alias(model.name, CHAMPION, version.version)
        return f"models:/{model.name}/{version.version}", "kept"
    logged = client.create_logged_model(experiment, name=model.name, source_run_id=run_id, tags={DIGEST: digest})
    with tempfile.TemporaryDirectory() as folder:
        _save(model, Path(folder, "model"))
        client.log_model_artifacts(logged.model_id, str(Path(folder, "model")))
    client.finalize_logged_model(logged.model_id, "READY")
    # Not by its address models:/<id>, which MLflow would look up in the default store of the process.
    tags = {DIGEST: digest, RUN: run_id}
    version = client.create_model_version(model.name, logged.artifact_location, run_id, tags, model_id=logged.model_id)
    client.set_registered_model_alias(model.name, CHAMPION, version.version)
    return f"models:/{model.name}/{version.version}", "logged"


def requirements() -> list[str]:
    """What the package needs to correct cells, and MLflow to load it: exactly what is installed here."""
    wanted = [line for line in importlib.metadata.requires("magan") or [] if "extra ==" not in line]
    names = dict.fromkeys(["magan", "mlflow", *(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in wanted)])
    return [f"{name}=={importlib.metadata.version(name)}" for name in names]


def _save(model: Model, folder: Path) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    table = Schema([ColSpec("double", marker) for marker in model.example.columns])
    params = ParamSchema([ParamSpec("batch", "string", ""), ParamSpec("seed", "string", "consensus")])
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(CODE),
        artifacts={"model": str(model.path.resolve())},
        signature=ModelSignature(inputs=table, outputs=table, params=params),
        input_example=(model.example.astype(float), {"batch": model.batch}),
        pip_requirements=requirements(),
    )
