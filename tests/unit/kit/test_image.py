"""The files of images, without a node that runs them."""

import json
import tarfile
from pathlib import Path

from kit.node.image import Image, read_layer, write_layer


def make_root(folder: Path, text: str = "hello") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "program").write_text(text)
    (folder / "bin" / "program").chmod(0o755)
    (folder / "bin" / "link").symlink_to("program")
    return folder


def test_layers_of_the_same_files_are_the_same(tmp_path: Path) -> None:
    first = write_layer(make_root(tmp_path / "a"), tmp_path / "a.tar")
    again = write_layer(make_root(tmp_path / "b"), tmp_path / "b.tar")
    other = write_layer(make_root(tmp_path / "c", "bye"), tmp_path / "c.tar")
    assert first.digest == again.digest != other.digest
    assert read_layer(first.file) == first


def test_archive_leads_from_its_index_to_its_layers(tmp_path: Path) -> None:
    layer = write_layer(make_root(tmp_path / "a"), tmp_path / "a.tar")
    image = Image("localhost/a:1", [layer], {"Entrypoint": ["/bin/program"]})
    with tarfile.open(image.write(tmp_path / "image.tar")) as archive:

        def read(name: str) -> dict:
            file = archive.extractfile(name)
            assert file is not None
            return json.load(file)

        def blob(described: dict) -> dict:
            return read(f"blobs/sha256/{described['digest'].removeprefix('sha256:')}")

        (listed,) = read("index.json")["manifests"]
        assert listed["annotations"]["io.containerd.image.name"] == "localhost/a:1"
        manifest = blob(listed)
        config = blob(manifest["config"])
        assert config["config"] == {"Entrypoint": ["/bin/program"]}
        assert config["rootfs"]["diff_ids"] == [layer.digest]
        (place,) = manifest["layers"]
        assert (place["digest"], place["size"]) == (layer.digest, layer.size)
        assert archive.getmember(f"blobs/sha256/{layer.digest[7:]}").size == layer.size


def test_image_is_another_with_another_setting_or_layer(tmp_path: Path) -> None:
    layer = write_layer(make_root(tmp_path / "a"), tmp_path / "a.tar")
    image = Image("localhost/a:1", [layer], {"User": "1"})
    assert image.identity == Image("localhost/a:1", (layer,), {"User": "1"}).identity
    others = {
        Image("localhost/a:2", [layer], {"User": "1"}).identity,
        Image("localhost/a:1", [layer], {"User": "2"}).identity,
        Image("localhost/a:1", [], {"User": "1"}).identity,
    }
    assert len(others | {image.identity}) == 4
