"""Every name the project writes into an AnnData or a table, in one place.

The obs and var names are those of the Open Problems cytometry task.
"""

# obs: one row per cell or image
BATCH = "batch"  # acquisition batch
SAMPLE = "sample"
DONOR = "donor"
GROUP = "group"
VISIT = "visit"  # when a donor was sampled
CELL_TYPE = "cell_type"  # population of a cell; digit of an image
IS_CONTROL = "is_control"
UNLABELLED = ("", "nan", "none", "unknown", "unlabelled", "unlabeled")  # cell types, in any case, that name none
PANEL = "panel"
PAIR = "pair"  # rows of two domains with the same value are the same thing; "" is unknown
DOMAIN = "domain"  # "1" or "2"
SPLIT = "split"  # train or test
FOLD = "fold"  # which pair of domains a row was mapped by

# var: one row per marker
CHANNEL = "channel"  # as the instrument names it, e.g. Nd142Di
MARKER = "marker"
MARKER_TYPE = "marker_type"  # lineage, functional or technical
TO_CORRECT = "to_correct"

# layers
PREPROCESSED = "preprocessed"  # arcsinh units
INTEGRATED = "integrated"
CONSENSUS = "consensus"  # mean over seeds
SEED = "seed"  # layers "seed_<int>"
TRUTH = "truth"

# uns
CYTOF = "cytof"  # {"cofactor": ...}
SOURCE = "source"  # {"name", "files": {file: sha256}, "licence", "citation"}
IMAGE = "image"  # {"shape": (C, H, W)}
STATUS = "status"
REFERENCE = "reference"  # the batch the others are mapped to
TASK = "task"  # heldout, batch or digits
DATASET = "dataset"
METHOD = "method"
ARM = "arm"
SEEDS = "seeds"  # all asked for
ERROR = "error"  # "" or why the whole method failed

# tables
METRICS = ("task", "dataset", "method", "arm", "seed", "group", "feature", "metric", "value")
ALL = "all"  # every population, or the mean over features
BASELINE = "baseline"  # the arm of a method that draws no random number
FLOOR = "floor"  # the method and arm of the split-half floor
FAILED = "failed"  # the metric that is 1 for a seed that failed

# scores: name in a figure or table, and which way is better ("one": the nearer 1 the better)
SCORES = {
    "pearson": ("Pearson's r", "higher"),
    "spearman": ("Spearman's rank r", "higher"),
    "rmse": ("RMSE (arcsinh units)", "lower"),
    "wasserstein": ("Wasserstein (arcsinh units)", "lower"),
    "variance_ratio": ("variance, mapped / true", "one"),
    "emd": ("EMD (arcsinh units)", "lower"),
    "mmd": ("MMD", "lower"),
    "label_transfer": ("label transfer accuracy", "higher"),
    "rank_kept": ("rank of cells kept", "higher"),
    "emd_reduction": ("share of EMD removed", "higher"),
    "mad": ("MAD score", "lower"),
    "identity_accuracy": ("share of digits kept", "higher"),
    "nearest_accuracy": ("share whose nearest real image agrees", "higher"),
    "right": ("share of seeds right", "higher"),
    "flipped": ("share of seeds flipped", "lower"),
    "mixed": ("share of seeds mixed", "lower"),
    "pixel_rmse": ("pixel RMSE (0 to 1)", "lower"),
    "classifier_accuracy": ("classifier accuracy on real images", "higher"),
}
