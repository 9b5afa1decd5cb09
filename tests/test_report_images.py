"""Tests of what the report says of images: collapse is named, the judge is judged, and the order is the numbers'."""

import re

import numpy as np
import pandas as pd
import pytest
import synthetic

from magan import keys
from magan.report import images
from magan.report.findings import answer
from magan.report.page import render
from magan.report.phrasing import aspects, number
from magan.tasks.registry import TASKS


@pytest.fixture(scope="module")
def metrics():
    return synthetic.metrics()


@pytest.fixture(scope="module")
def summary(metrics):
    return synthetic.summarise(metrics)


def told(task: str, dataset: str, metrics: pd.DataFrame, arm: str) -> str:
    return " ".join(answer(task, dataset, synthetic.summarise(metrics), metrics, arm, {})["sentences"])


def outcome(task: str, dataset: str, metrics: pd.DataFrame, arm: str) -> str:
    return answer(task, dataset, synthetic.summarise(metrics), metrics, arm, {})["sentence"]


def test_the_collapse_is_named_and_what_is_whole_is_counted(metrics):
    text = told("generation", "mnist", metrics, "wgan_gp")
    assert "Collapse, in the median seed: mm_gan drops 3; the other 2 make every class." in text
    whole = metrics[~((metrics["arm"] == "mm_gan") & (metrics["task"] == "generation"))]
    assert "In their median seed all 2 arms make every class." in told("generation", "mnist", whole, "wgan_gp")
    alone = metrics[(metrics["arm"] == "wgan_gp") | (metrics["task"] != "generation")]
    assert "Its median seed makes every class." in told("generation", "mnist", alone, "wgan_gp")


def test_a_class_that_only_an_unlucky_seed_drops_is_no_collapse(metrics):
    seldom = metrics[~((metrics["arm"] == "mm_gan") & metrics["seed"].isin([0, 1]))]
    assert "drops" not in told("generation", "mnist", seldom, "wgan_gp")


def test_arms_come_in_the_order_of_their_median_seed_with_their_best(metrics):
    text = told("generation", "mnist", metrics, "wgan_gp")
    seeds = metrics[(metrics["task"] == "generation") & (metrics["metric"] == "frechet") & (metrics["arm"] != "floor")]
    of = seeds.groupby("arm")["value"].agg(["median", "min"]).sort_values("median")
    listed = ", ".join(f"{arm} {number(row['median'])} ({number(row['min'])})" for arm, row in of.iterrows())
    assert f"By the Fréchet distance of their median seed (in brackets the best) the arms come as {listed}." in text
    found = answer("generation", "mnist", synthetic.summarise(metrics), metrics, "wgan_gp", {})
    assert {"name": "real against real", "value": ".700", "interval": "", "note": ""} in found["numbers"]
    assert "baseline" not in text + found["sentence"]


def test_an_arm_that_is_given_images_has_no_place_in_the_order(metrics):
    copy = metrics[(metrics["arm"] == "cgan") & (metrics["metric"] == "frechet")].assign(metric="l1", value=0.1)
    text = told("generation", "mnist", pd.concat([metrics, copy]), "wgan_gp")
    assert re.search(r"the arms come as wgan_gp [^,]*, mm_gan [^,]*\. Left out", text)
    assert "Left out, as they are given part of a test image: cgan." in text


def test_only_arms_that_were_asked_for_a_class_are_said_to_make_it(metrics):
    text = told("generation", "mnist", metrics, "wgan_gp")
    assert re.search(r"Share of samples that are of the class asked for: cgan \.970 \[[^;]*\]\.", text)
    code = metrics[metrics["metric"] == "class_accuracy"].assign(
        metric="permuted_accuracy", value=np.linspace(0.98, 1, 5)
    )
    text = told("generation", "mnist", pd.concat([metrics, code]), "wgan_gp")
    assert "(after renaming .990, best seed 1.000)" in text


@pytest.mark.parametrize(("right", "sure"), [(0.995, True), (0.97, False)])
def test_a_judge_that_is_not_sure_is_said_to_be_so(metrics, right, sure):
    judged = metrics.copy()
    judged.loc[judged["metric"] == "classifier_accuracy", "value"] = right
    text = told("generation", "mnist", judged, "wgan_gp")
    assert f"is right about {number(right)} of real images" in text and ("no surer than that" in text) != sure


def test_the_plain_game_is_compared_by_intervals_that_lie_apart(metrics, summary):
    rows = summary[summary["task"] == "generation"].replace({"mm_gan": "ns_gan"})
    here = (rows["metric"] == "frechet") & (rows["group"] == keys.ALL)
    for arm, interval in {"ns_gan": (11, 13), "wgan_gp": (4, 6), "cgan": (12, 15)}.items():
        rows.loc[here & (rows["arm"] == arm), ["low", "high"]] = interval
    text = images.published(rows, metrics, "")
    assert "wgan_gp better; 1 not told apart from it." in text and "worse" not in text
    rows.loc[here & (rows["arm"] == "wgan_gp"), ["low", "high"]] = 20, 21
    assert "no arm is better; wgan_gp worse; 1 not told apart" in images.published(rows, metrics, "")
    assert images.published(summary[summary["task"] == "generation"], metrics, "") == ""


def test_a_translation_tells_whether_partners_are_found_and_what_chance_is(metrics):
    text = told("translation", "emoji", metrics, "magan")
    mean = metrics[(metrics["arm"] == "magan") & (metrics["metric"] == "retrieved") & (metrics["group"] == keys.ALL)]
    mean = mean[(mean["task"] == "translation") & (mean["seed"] != keys.CONSENSUS)]["value"].mean()
    assert f"nearest for a share of {number(mean)} by pixels; chance is .01." in text
    assert "first 2" not in text
    said = outcome("translation", "emoji", metrics, "magan")
    assert said.startswith("MAGAN is better than the best baseline (no correction) by partner first by pixels.")


def test_without_partners_the_answer_is_by_sets(metrics):
    unpaired = metrics[~metrics["metric"].isin(["retrieved", "l1"])]
    text = told("translation", "emoji", unpaired, "magan")
    assert "No true partner is known" in text
    assert "by Fréchet distance" in outcome("translation", "emoji", unpaired, "magan")
    assert TASKS["translation"].question.answer({"sliced_wasserstein"}) == "sliced_wasserstein"


def test_what_is_kept_after_a_renaming_is_told_where_it_is_more(metrics):
    text = told("digits", "threes_sevens", metrics, "magan")
    assert "renaming" not in text
    more = metrics[(metrics["task"] == "digits") & (metrics["metric"] == "identity_accuracy")]
    more = pd.concat([metrics, more.assign(metric="permuted_accuracy", value=more["value"].clip(0.99))])
    assert "Up to a renaming of the classes the share kept is .99" in told("digits", "threes_sevens", more, "magan")


def test_scores_of_images_and_of_sets_have_tables_of_their_own():
    assert aspects(["retrieved", "frechet", "kid"]) == {
        "image by image": ["retrieved"],
        "the images as a set, against real ones": ["frechet", "kid"],
    }
    assert aspects(["frechet", "classifier_accuracy"]) == {"": ["frechet", "classifier_accuracy"]}


def test_the_page_names_the_weights_that_judged(metrics, summary):
    study = {"name": "demo", "title": "Demo"}
    page = render(study, summary, metrics, (), {"judges": {"generation/mnist": "ab" * 32}})
    assert "classifier of generation/mnist, sha256 of its weights</dt><dd><code>" + "ab" * 32 in page
    read = re.sub(r"<[^>]+>", " ", page)
    assert "Every method, over all images: image by image" in read and "over all markers and cells" in read
    assert "share of a class, made / real → 1, class by class" in read
