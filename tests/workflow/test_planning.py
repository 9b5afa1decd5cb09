"""What is planned, and what is refused before anything is trained."""

import re

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from running import ROOT, dry_run, quick_run

SHIPPED = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def files_of_the_worked_example(folder):
    """Lay the sheet and empty files where `magan fetch krieg_panel3` lays the files: a plan reads no file of cells."""
    (folder / "config").symlink_to(ROOT / "config")
    for path in pd.read_csv(ROOT / "config" / "samples.tsv", sep="\t")["path"]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


@pytest.mark.parametrize("study", SHIPPED)
def test_every_shipped_study_can_be_planned(study, tmp_path):
    if "own_data" in yaml.safe_load((ROOT / "config" / study).read_text()):
        files_of_the_worked_example(tmp_path)
    planned = dry_run(tmp_path, study=ROOT / "config" / study)
    assert planned.returncode == 0, planned.stderr


def test_a_study_can_be_planned_for_slurm(tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra slurm is not installed")
    planned = dry_run(tmp_path, "--profile", str(ROOT / "workflow" / "profiles" / "slurm"))
    assert planned.returncode == 0, planned.stderr
    resources = re.findall(r"rule train:.*?resources: ([^\n]*)", planned.stdout + planned.stderr, re.DOTALL)
    assert resources and all("runtime=240" in line and "gpu=0" in line for line in resources)


def test_the_readmes_study_without_an_arm_can_be_planned(tmp_path):
    files_of_the_worked_example(tmp_path)
    (tmp_path / "my.yaml").write_text(re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0])
    planned = dry_run(tmp_path, study=tmp_path / "my.yaml")
    assert planned.returncode == 0, planned.stderr
    assert "results/mine/batch/visits/corrected" in planned.stdout + planned.stderr


def test_a_wrong_study_is_refused_while_it_is_planned(tmp_path):
    refused = dry_run(tmp_path, "--config", "sedes=3")
    assert refused.returncode != 0
    told = refused.stderr + refused.stdout
    assert "the study cannot run: unknown key 'sedes' (did you mean 'seeds'?)" in told
    assert "Traceback" not in told


def test_a_wrong_cell_choice_stops_before_any_training_with_one_sentence(tmp_path):
    stopped = quick_run(tmp_path, "scores", "--config", "heldout={cytonorm: {hold_out: [CD45RA]}}")
    assert stopped.returncode != 0
    assert "error: held-out marker 'CD45RA' is not shared; shared are CD3, CD4, CD8a, CD14" in stopped.stderr
    assert not list(tmp_path.glob("results/smoke/**/model.safetensors"))


def test_a_file_with_braces_in_its_name_is_read_and_read_again_when_it_changes(tmp_path):
    draw = np.random.default_rng(0)
    table = pd.DataFrame({marker: draw.gamma(2.0, 10.0, 200) for marker in ("CD3", "CD19", "CD45")})
    for name in ("a", "b {1}"):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "sheet.tsv").write_text("sample\tpath\tbatch\na\ta.csv\t1\nb\tb {1}.csv\t2\n")
    study = {"name": "braces", "title": "Braces", "own_data": {"mine": {"sheet": "sheet.tsv"}}}
    study |= {"batch": {"mine": {"cells": "mine", "reference": "1", "baselines": ["identity"]}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    cells = "results/braces/cells/mine.h5ad"
    done = quick_run(tmp_path, cells, study=tmp_path / "study.yaml")
    assert done.returncode == 0, done.stderr
    assert anndata.read_h5ad(tmp_path / cells).obs["sample"].value_counts().to_dict() == {"a": 200, "b": 200}
    again = dry_run(tmp_path, cells, study=tmp_path / "study.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr
    table[:100].to_csv(tmp_path / "b {1}.csv", index=False)
    changed = dry_run(tmp_path, cells, study=tmp_path / "study.yaml")
    assert "rule read" in changed.stdout + changed.stderr
