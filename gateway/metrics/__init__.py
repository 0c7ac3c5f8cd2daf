"""What the gateway counts of itself for Prometheus: which figures there are, where they are kept, how they are said.

Nothing here knows who counts. Every label has a closed list of values, so no request can add a series.
"""

from gateway.metrics.board import Metrics
from gateway.metrics.exposition import CONTENT_TYPE, exposition

__all__ = ["CONTENT_TYPE", "Metrics", "exposition"]
