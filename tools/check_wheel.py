"""Checks a wheel before the tests run against it: python tools/check_wheel.py build/dist/settled-….whl

Every file of src/settled must be in it, byte for byte (so what lint and the JavaScript tests saw
is what is shipped); all but the parts for other people's packages must import on the standard library alone;
and the ``settled`` that this Python imports must be the installed one.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
NEEDS_OTHERS = (
    "settled.web.fastapi", "settled.demo", "settled.stores.postgres", "settled.within.psycopg",
    "settled.within.sqlalchemy", "settled.engines.celery", "settled.engines.procrastinate", "settled.adopt.celery",
    "settled.testing.plugin", "settled.testing.server",
)  # fmt: skip
IMPORT_ALONE = "import sys, importlib as i; sys.path.insert(0, sys.argv[1]); list(map(i.import_module, sys.argv[2:]))"


def main(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
    written = {
        path.relative_to(SOURCE).as_posix(): path.read_bytes()
        for path in (SOURCE / "settled").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store"
    }
    wrong = [name for name in sorted(packed.keys() | written.keys()) if packed.get(name) != written.get(name)]
    if wrong:
        sys.exit(f"{wheel.name} is not src/settled: {', '.join(wrong)} differ. Remove build/ and build it again.")
    modules = [name[:-3].replace("/", ".").removesuffix(".__init__") for name in sorted(packed) if name.endswith(".py")]
    core = [name for name in modules if not name.startswith(NEEDS_OTHERS)]
    alone = subprocess.run([sys.executable, "-I", "-S", "-c", IMPORT_ALONE, wheel, *core], timeout=60, check=False)
    if alone.returncode:
        sys.exit(f"{wheel.name} does not import without other packages; the core must need none.")
    spec = importlib.util.find_spec("settled")
    if spec is None or "site-packages" not in (spec.origin or ""):
        sys.exit(f"settled is imported from {spec and spec.origin}, not from the installed wheel.")
    print(f"{wheel.name}: {len(packed)} files, as in src/settled; {len(core)} modules import without other packages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
