"""Every name the project writes into an AnnData or a table.

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
DIGIT, COLOUR = "digit", "colour"  # the words of a coloured digit's caption
KNOWN_PAIR = "known_pair"  # whether a cell is of a known pair that methods train on
FOLD = "fold"  # which pair of domains a row was mapped by
CONFIDENCE = "confidence"  # how ordinary a merged cell would be in the panel its markers come from, 0 to 1

# var: one row per marker
CHANNEL = "channel"  # as the instrument names it, e.g. Nd142Di
MARKER = "marker"
MARKER_TYPE = "marker_type"  # lineage, functional or technical
TO_CORRECT = "to_correct"
ROLE, REASON = "role", "reason"  # what a run does with a channel (see marker_names.ROLES), and why
MEASURED_BY = "measured_by"  # of merged panels: those that measure the marker
FLAG = "flag"  # why the safety gate flags a marker, "" if it does not
VERDICT = "verdict"  # columns "verdict_<panel>": may the marker be used on this panel's cells

# layers
PREPROCESSED = "preprocessed"  # arcsinh units
INTEGRATED = "integrated"
CONSENSUS = "consensus"  # mean over seeds
SEED = "seed"  # layers "seed_<int>"
TRUTH = "truth"
SAMPLED = "sampled"  # a draw with the right distribution
SPREAD = "spread"  # its standard deviation, over draws and seeds
LOW, HIGH = "low", "high"  # between them lies the value with probability 0.9
MEASURED = "measured"  # of merged panels, nan where a panel lacks the marker
EXPECTED = "expected"  # as measured, else the mean of what a cell would have measured
OBJECT = "object"  # of an image: 1 on what it shows, 0 on its background, nan where that is not known

# obsm: what a classifier sees of X, or, as "features_<layer>", of a layer
FEATURES = "features"
PROBABILITIES = "probabilities"

# columns of a sample sheet that say how to read a file
COMPENSATION = "compensation"  # file, none, or the path of a matrix
TRUST = "trust"  # header, where an FCS file's keywords say another place of its data
DATA_SET = "data_set"  # its number, where an FCS file holds several
HOW_TO_READ = (COMPENSATION, TRUST, DATA_SET)
COFACTOR, TRANSFORM = "cofactor", "transform"  # of the arcsinh; the name of a scale, with parameters or without
HOW_TO_SCALE = (COFACTOR, TRANSFORM)
CELLS_PER_FILE = "cells_per_file"  # of a row: the number of cells that are drawn from its file

# uns
CYTOF = "cytof"  # {"cofactor": ...}
SOURCE = "source"  # {"name", "files": {file: sha256}, "licence", "citation"}
IMAGE = "image"  # {"shape": (C, H, W)}; X is then pixels, bytes or floats in [0, 1]
CLASSIFIER = "classifier"  # {"classes", "of" (their obs column), "sha256" (of the weights)}: who saw the features
NAMES = "names"  # a table: what every channel of every file was called, and is
CHANNELS = "channels"  # a table: what the run does with every channel of every file, and why (channel_roles.COLUMNS)
ACQUISITION = "acquisition"  # obs: a flag (cytometry.acquisition); uns: a table of path, events, flagged and trouble
DRAWN = "drawn"  # a table of path, cells and drawn, where only some cells of large files are used
LEFT_OUT = "left_out"  # a table of kind (file or marker), name and reason
STATUS = "status"
BIAXIAL = "biaxial"  # two markers that the maps of all arms are drawn by
REFERENCE = "reference"  # the batch to which all remaining batches are mapped
DESIGN = "design"  # a table: by which controls each batch is mapped (batch_correction.control_design.COLUMNS)
NOT_STAINED = "not_stained"  # of a training domain: markers that a control does not stain and a map leaves as measured
TASK = "task"  # a key of magan.tasks.registry.TASKS
DATASET = "dataset"
METHOD = "method"
ARM = "arm"
SEEDS = "seeds"  # all asked for
GIVEN = "given"  # of samples: conditions that their model gets of each test image, any of "label" (its class) and "x"
MEASURES = "measures"  # what a model says of the test images: score -> one value a seed that did not fail
PAIRED = "paired"  # {"markers", "train", "query"}: panel 1 with the truth, which only the ceiling may read
CHOICE = "choice"  # a table: every candidate map of each batch, its criterion, and the reason of the choice
ERROR = "error"  # "" or why the whole method failed

# tables
METRICS = ("task", "dataset", "method", "arm", "seed", "group", "feature", "metric", "value")
ALL = "all"  # every population, or the mean over features
BASELINE = "baseline"  # the arm of a method that draws no random number
CEILING = "ceiling"  # the method and arm of what the truth itself would predict
CONTROL = "control"  # the arm of maps whose scores are known beforehand
WRITTEN = "written"  # the arm of the cells as they are written, with markers put back as measured
FLOOR = "floor"  # the method and arm of the split-half floor
SEEDLESS = (BASELINE, CEILING, CONTROL, FLOOR, WRITTEN)  # arms that are not trained
OUTCOMES = ("right", "flipped", "mixed")  # of the digits of a seed; the metrics are 1 for a seed with that outcome
FAILED = "failed"  # the metric that is 1 for a seed that failed
# of the safety gate
GATE = (
    *(BATCH, "population", MARKER, "n", "n_reference", "emd_before", "emd_after", "floor", "improved"),
    *("peaks_before", "peaks_after", "peaks_reference", "group_before", "group_after", "group_change"),
    *("partners", FLAG),
)

BEST = {"higher": "higher is better", "lower": "lower is better", "one": "best at 1", "nominal": "best at 0.9"}
# scores: name in a figure or table, and which way is better ("one": the nearer 1 the better; "nominal": the nearer 0.9)
SCORES = {
    "pearson": ("Pearson's r", "higher"),
    "spearman": ("Spearman's rank r", "higher"),
    "rmse": ("RMSE (arcsinh units)", "lower"),
    "wasserstein": ("Wasserstein (arcsinh units)", "lower"),
    "variance_ratio": ("variance, mapped / true", "one"),
    "auc_positive": ("AUC of positive cells", "higher"),
    "correlation_error": ("error of correlations with other markers", "lower"),
    "coverage": ("coverage of the 90 % interval", "nominal"),
    "interval_width": ("width of the 90 % interval (arcsinh units)", "lower"),
    "sampled_wasserstein": ("Wasserstein of draws (arcsinh units)", "lower"),
    "sampled_variance_ratio": ("variance, drawn / true", "one"),
    "emd": ("EMD (arcsinh units)", "lower"),
    "mmd": ("MMD", "lower"),
    "batch_auc": ("batch classifier AUC (.5: chance)", "lower"),
    "label_transfer": ("label transfer accuracy", "higher"),
    "rank_kept": ("rank of cells kept", "higher"),
    "emd_reduction": ("share of EMD removed (within populations)", "higher"),
    "mad": ("MAD score", "lower"),
    "population_variance": ("variance within populations", "one"),
    "batch_r2": ("R² of the batch within populations", "lower"),
    "consistent_peaks": ("share of peak counts kept", "higher"),
    "group_effect": ("group effect kept", "higher"),
    "ilisi": ("iLISI", "higher"),
    "clisi": ("cLISI", "higher"),
    "bras": ("BRAS", "higher"),
    "foscttm": ("FOSCTTM (.5: chance)", "lower"),
    "matched": ("share matched among the 10 nearest", "higher"),
    "label_accuracy": ("label transfer, 5 nearest", "higher"),
    "identity_accuracy": ("share of digits kept", "higher"),
    "nearest_accuracy": ("share whose nearest real image agrees", "higher"),
    "permuted_accuracy": ("share right after renaming", "higher"),
    "right": ("share of seeds right", "higher"),
    "flipped": ("share of seeds flipped", "lower"),
    "mixed": ("share of seeds mixed", "lower"),
    "pixel_rmse": ("pixel RMSE (0 to 1)", "lower"),
    "l1": ("difference of pixels (0 to 1)", "lower"),
    "ssim": ("SSIM", "higher"),
    "retrieved": ("partner first by pixels", "higher"),
    "retrieved_ssim": ("partner first by SSIM", "higher"),
    "retrieved_outlines": ("partner first by outlines", "higher"),
    "retrieved_features": ("partner first by features", "higher"),
    "reciprocal_rank": ("reciprocal rank of the partner", "higher"),
    "class_accuracy": ("share of the class asked for", "higher"),
    "taken_for_target": ("share taken for the target set", "higher"),
    "travel_cosine": ("vectors between images kept (cosine)", "higher"),
    "background_change": ("change of the background (0 to 1)", "lower"),
    "frechet": ("Fréchet distance (features)", "lower"),
    "kid": ("kernel distance (features)", "lower"),
    "sliced_wasserstein": ("sliced Wasserstein (pixels)", "lower"),
    "precision": ("precision", "higher"),
    "recall": ("recall", "higher"),
    "density": ("density", "one"),
    "real_coverage": ("coverage", "higher"),
    "entropy_score": ("classifier entropy score", "higher"),
    "modes": ("classes covered", "higher"),
    "class_divergence": ("KL of the classes made", "lower"),
    "class_share": ("share of a class, made / real", "one"),
    "elbo": ("ELBO of test images (nats)", "higher"),
    "classifier_accuracy": ("classifier accuracy on real images", "higher"),
}
