"""`--help` of a command: what it does and what there is to choose, read from its file and from `conf/`.

Hydra's own answer composes every choice first, which takes seconds. `--cfg job` still shows the whole configuration.
"""

from __future__ import annotations

from pathlib import Path


def command_help(about: str, configurations: Path, config_name: str) -> str:
    """The text of `--help`.

    Args:
        about: docstring of the command's file.
        configurations: the `conf` folder.
        config_name: the command's configuration in it.
    """
    groups = [
        f"  {folder.relative_to(configurations)}: {', '.join(names)}"
        for folder in sorted(path for path in configurations.rglob("*") if path.is_dir())
        if (names := sorted(path.stem for path in folder.glob("*.yaml")))
    ]
    main = (configurations / f"{config_name}.yaml").read_text(encoding="utf-8")
    parts = [
        about.strip(),
        "Choices (group=name):\n" + "\n".join(groups),
        f"Configuration (key=value changes it; conf/{config_name}.yaml):\n{main.strip()}",
        "`--cfg job` shows all of it with every choice made, `--hydra-help` Hydra's own options.",
    ]
    return "\n\n".join(parts)
