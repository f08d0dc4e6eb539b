"""Fits a line through noisy points and prints what it found."""

import sys

import humanize
import numpy as np


def main() -> None:
    random = np.random.default_rng(seed=7)
    x = np.linspace(0, 10, 1_000_000)
    y = 3.0 * x + 1.0 + random.normal(scale=0.5, size=x.size)
    slope, intercept = np.polyfit(x, y, deg=1)
    print(f"python {sys.version.split()[0]}, numpy {np.__version__}")
    print(f"{humanize.intcomma(x.size)} points lie on y = {slope:.2f} x + {intercept:.2f}")


if __name__ == "__main__":
    main()
