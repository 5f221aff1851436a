"""The job types of the repository, one module each."""

from .checksums import VerifyChecksums
from .embargoes import lift_embargoes
from .exports import ExportRecords
from .nothing import slow_nothing
from .ror import ror_update

__all__ = ["ExportRecords", "VerifyChecksums", "lift_embargoes", "ror_update", "slow_nothing"]
