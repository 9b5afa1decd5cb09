import numpy as np

from magan.datasets.registry import load
from magan.datasets.toy import CENTRES, CLUSTERS, WIDTH, N


def test_the_three_clusters_lie_where_the_authors_put_them(tmp_path):
    adata = load("three_clusters", cache=tmp_path)
    assert list(adata.var_names) == ["x", "y"] and adata.var["to_correct"].all()
    for batch, centres in CENTRES.items():
        for cluster, centre in zip(CLUSTERS, centres):
            part = adata[(adata.obs["batch"] == batch) & (adata.obs["cell_type"] == cluster)]
            values = np.asarray(part.layers["preprocessed"])
            assert len(values) == N
            np.testing.assert_allclose(values.mean(axis=0), centre, atol=5 * WIDTH / np.sqrt(N))
            np.testing.assert_allclose(values.std(axis=0), WIDTH, rtol=0.1)
    # Among all permutations, the true one moves x the least.
    x = {batch: np.array(centres)[:, 0] for batch, centres in CENTRES.items()}
    cost = [np.square(x["domain_1"] - x["domain_2"][list(p)]).sum() for p in ((0, 1, 2), (0, 2, 1), (1, 0, 2))]
    assert cost[0] == min(cost)
