"""Write every table and picture of the paper that a directory of published networks allows, by its protocol and by the strong ones."""

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass
from pathlib import Path

from interp.commands.evaluate import Asked, ExperimentOptions, asked_for, evaluate
from interp.commands.experiments import SECTIONS
from interp.commands.tasks.shared_options import seed_option
from interp.core.argument_types import whole_number
from interp.core.command_line import run
from interp.core.errors import InputError
from interp.core.files import visible_files
from interp.core.network_files import SUFFIXES
from interp.core.options import Options, make, option, read_options
from interp.core.tables import FORMATS

PAPER = 4
EXAMPLES = ("published_networks", "published_networks --dataset mnist --workers 2 --num-image 50")


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions(Options):
    """Options of `interp reproduce`; the others are those of `eval.py 4`, which does the work."""

    networks_dir: Path = option(MISSING, "directory of the published networks", parse=Path, positional=True)
    only: list[str] | None = option(None, f"parts: {', '.join(SECTIONS[PAPER])}", many=True, usual="all")
    dataset: str | None = option(None, "only networks of this dataset, such as mnist")
    data_dir: Path | None = option(None, "directory of datasets", parse=Path, usual="INTERP_DATA_DIR")
    num_image: int | None = option(None, "images for each table", parse=whole_number(1), usual="as many as the paper")
    seed: int | None = seed_option(None)
    workers: int | None = option(None, "processes that evaluate networks", parse=whole_number(1), usual="1")
    ray: str | None = option(None, "address of a Ray cluster that evaluates networks; local starts one here")
    out: Path = option(
        Path("gen_images/reproduce"), "directory of results; a run that was stopped goes on there", parse=Path
    )
    format: str = option("tsv", "format of tables", choices=FORMATS)

    def check(self, given: frozenset[str]) -> None:
        if not self.networks_dir.is_dir():
            raise InputError(
                f"{self.networks_dir} is no directory: give that of the paper's pickles, or of .safetensors files"
            )
        if not visible_files(self.networks_dir, SUFFIXES):
            raise InputError(
                f"{self.networks_dir} holds no networks: give the directory of the paper's pickles, or of .safetensors files"
            )


def parse(words: Sequence[str] | None, prog: str) -> Asked:
    """What the words ask for, checked. Raises InputError."""
    options = read_options(ReproduceOptions, words, prog, __doc__, EXAMPLES)
    return asked_for(make(ExperimentOptions, {"number": PAPER, **asdict(options)}), needs_all=False)


def main(arguments: Sequence[str] | None = None, prog: str = "interp reproduce") -> int:
    """Run `interp reproduce` from the command line."""
    return run(lambda words: parse(words, prog), evaluate, arguments)
