"""A mounted configuration, written as kubelet writes a volume; and a runtime that knows no kagent."""

import json
import shutil

CARD = {"name": "agent"}


class Volume:
    """A folder whose files are replaced all at once, through `..data`."""

    def __init__(self, path):
        self.path = path
        self.path.mkdir()
        self._version = 0

    def write(self, **files):
        """Replace all files: file names with `_` for the `.` and `-` of kagent's, as bytes or JSON."""
        self._version += 1
        version = self.path / f"..v{self._version}"
        version.mkdir()
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            (version / name).write_bytes(raw)
            link = self.path / name
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}")
        temporary = self.path / "..data_tmp"
        temporary.symlink_to(version.name)
        data = self.path / "..data"
        old = data.resolve() if data.is_symlink() else None
        temporary.rename(data)
        if old:
            shutil.rmtree(old)

    def configure(self, config, card=CARD, **more):
        self.write(**{"config.json": config, "agent-card.json": card, **more})


class Config:
    """A configuration object, as pydantic's are: attributes that can be set."""

    def __init__(self, data):
        self.__dict__.update(data)


class PlainRuntime:
    """A runtime with rules of its own: an instruction is a text, and "explode" makes no agent."""

    def __init__(self):
        self.built = []

    def validate(self, data):
        if not isinstance(data.get("instruction"), str):
            raise TypeError("instruction: a text is needed")
        return Config(data)

    def facts(self, config):
        return dict(vars(config))

    fields = facts

    def build(self, config):
        self.built.append(config.instruction)
        if config.instruction == "explode":
            raise RuntimeError("no agent")

    def assign(self, target, values):
        for name, value in values.items():
            setattr(target, name, value)

    def explain(self, error):
        return str(error)
