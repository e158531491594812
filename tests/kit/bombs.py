"""Files that are expensive to parse, by their content; each is within the size limit of a file."""

from hotpeers.model.yaml.document import MAX_MANIFEST_BYTES

PEER = "apiVersion: hotpeers.dev/v1alpha1\nkind: Peer\nmetadata: {name: w}\n"
AGENT = "apiVersion: kagent.dev/v1alpha2\nkind: Agent\nmetadata: {name: w}\n"
SPEC = "spec: {url: http://w}\n"


def chain(of: str, link: str, count: int, end: str) -> str:
    """A chain of anchors, each of which holds the one before nine times; `end` has the last one."""
    lines = [f"a0: &a0 {of}\n"]
    for number in range(1, count):
        lines.append(f"a{number}: &a{number} " + link % ", ".join([f"*a{number - 1}"] * 9) + "\n")
    return "".join(lines) + end % f"*a{count - 1}"


def numbered(entry: str, between: str = "") -> str:
    """Many entries, each with a number of its own."""
    made: list[str] = []
    size = 0
    while size < MAX_MANIFEST_BYTES - 1024:
        made.append(entry.replace("@", str(len(made))))
        size += len(made[-1]) + len(between)
    return between.join(made)


BOMBS = {
    "aliases as a kind": chain("[x]", "[%s]", 30, PEER.replace("Peer", "%s") + SPEC),
    "aliases as a version": chain("[x]", "[%s]", 30, "apiVersion: %s\nkind: Peer\n"),
    "aliases as a timeout": chain("[x]", "[%s]", 30, PEER + "spec: {url: http://w, timeout: %s}\n"),
    "few aliases as a kind": chain("[x]", "[%s]", 5, PEER.replace("Peer", "%s") + SPEC),
    "aliases as an object's kind": chain("{k: v}", "{k: [%s]}", 30, "kind: %s\n"),
    "aliases as a card": chain("[x]", "[%s]", 6, "name: w\nurl: http://w\nskills: %s\n"),
    "merge keys": chain("{k: v}", "{<<: [%s]}", 30, "kind: %s\n"),
    "text that is repeated": f"a: &a {'x' * 500_000}\nkind: [{'*a,' * 100_000}]\n",
    "a number to the base of 60": PEER
    + f"spec: {{url: http://w, timeout: {':'.join(['59'] * 349_000)}}}\n",
    "a fraction to the base of 60": f"a: {':'.join(['59'] * 349_000)}.5\n",
    "numbers to the base of 60": numbered("- 59:59:59:59:59:59:59:59:59:59:59:59:59:59:59:59:59\n"),
    "a number of a million digits": "a: " + "9" * 1_000_000,
    "a number of a million bits": "a: 0b" + "1" * 1_000_000,
    "keys of one hash": "".join(f"{n * (2**61 - 1)}: a\n" for n in range(1, 36_000)),
    "keys of one hash as floats": "".join(f"{float(n * 2**61)!r}: a\n" for n in range(1, 36_000)),
    "keys without end": numbered("k@: a\n"),
    "labels": f"{PEER[:-2]}, labels: {{{numbered('k@: 1', ',')}}}}}\n{SPEC}",
    "unknown fields": f"{PEER}{SPEC[:-2]}, {numbered('descripton@: 1', ',')}}}\n",
    "unknown fields at the top": f"{PEER}{SPEC}{numbered('descripton@: 1' + chr(10))}",
    "skills that are none": AGENT
    + f"spec: {{declarative: {{a2aConfig: {{skills: [{'1,' * 190_000}]}}}}}}\n",
    "tags that are none": AGENT + "spec: {declarative: {a2aConfig: {skills: ["
    f"{'{id: a, tags: [1,1,1,1,1,1,1,1,1,1]},' * 14_000}]}}}}}}\n",
    "skills of a card": f"name: w\nurl: http://w\nskills: [{'{id: a},' * 66_000}]\n",
    "interfaces of a card": "name: w\nsupportedInterfaces: ["
    + '{url: "http://a:1", protocolBinding: JSONRPC, protocolVersion: "1.0"},' * 14_000
    + "]\n",
    "peers": numbered(PEER.replace("w", "w@") + SPEC, "---\n"),
    "peers that are none": numbered(PEER.replace("w", "W@") + "spec: {ur: x}\n", "---\n"),
    "peers with unknown fields": numbered(
        PEER.replace("w", "w@") + "spec: {url: http://w, descripton: x, timout: 1}\n", "---\n"
    ),
    "cards with unknown fields": numbered(
        "name: w@\nurl: http://w\nsk@: 1\nde@: 1\nna: 1\n", "---\n"
    ),
    "skills with unknown fields": numbered(
        "name: w@\nurl: http://w\nskills: [" + "{i: 1, nam: 2, descr: 3, tag: 4}," * 60 + "]\n",
        "---\n",
    ),
    "documents": "---\n" * 262_000,
    "directives": numbered("%TAG !x@! y\n") + "---\na: b\n",
    "directives after other line ends": "a: b\n...\n" + numbered("%TAG !x@! y\r") + "---\na: b\n",
    "anchors": numbered("- &a@ x\n"),
    "an anchor again and again": "[" + "&a [*a ]," * 100_000,
    "aliases below many anchors": "".join(f"&a{n} [" for n in range(60)) + "*a, " * 200_000,
    "nested lists": "[" * 1_000_000,
    "nested items": "- " * 500_000,
    "nested keys": "? " * 500_000,
    "nested mappings": "".join(" " * n + "a:\n" for n in range(1400)),
    "deep lists with many values": "[" * 60 + "a," * 500_000,
    "keys that may be": '["a" ' * 200_000,
    "escapes": 'a: "' + "\\u0041" * 170_000 + '"',
    "a long key": "? " + "k" * 1_000_000 + "\n: a\n",
    "a long tag": "!" + "a" * 1_000_000 + " b\n",
    "a long tag's escapes": "!<" + "%41" * 340_000 + "> b\n",
    "breaks": "a: '" + "\u2028" * 340_000 + "'\n",
}
