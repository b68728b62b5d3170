"""Copy figures of the demo for the gallery, made small: ``make pictures``."""

import re
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "results" / "demo" / "figures"
WIDTH, COLOURS = 800, 64

# docs/gallery.md names them: gallery/<folder>-<figure>.png
for name in re.findall(r"\(gallery/(\S+\.png)\)", (ROOT / "docs" / "gallery.md").read_text()):
    picture = Image.open(FIGURES / name.replace("-", "/")).convert("RGB")
    picture.thumbnail((WIDTH, WIDTH * 2), Image.Resampling.LANCZOS)
    target = ROOT / "docs" / "gallery" / name
    target.parent.mkdir(exist_ok=True)
    picture.quantize(COLOURS).save(target, optimize=True)
