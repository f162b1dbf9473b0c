"""Scores any number of single-cell images with Ray Data, and can be stopped and killed at any time.

The images are listed as chunks of work (`leuknet.batch.sources`). Workers score a chunk each as `leuknet
predict` does (`leuknet.batch.score`) and write its lines as one part of a job folder, whole or not at all
(`leuknet.batch.parts`). At the end the parts become one table in which every image stands once
(`leuknet.batch.merge`). Ray (`leuknet.batch.run`) only hands out chunks: what is done is what lies in the
folder.

Start at `score_batch`. docs/scale.md says how to run it, and what it costs.
"""

from leuknet.errors import MissingExtraError

try:
    import fsspec as _fsspec  # noqa: F401
    import pyarrow as _pyarrow  # noqa: F401
    import ray as _ray  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "cannot score images in batch",
        why=f"{error.name} is not installed",
        fix="pip install 'leuknet[batch]'",
    ) from error

from leuknet.batch.run import BatchSummary, score_batch
from leuknet.batch.sources import Chunk, list_chunks

__all__ = ["BatchSummary", "Chunk", "list_chunks", "score_batch"]
