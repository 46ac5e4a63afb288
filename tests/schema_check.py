# The published JSON Schemas beside the loader: every shipped file is valid; a key that does not exist, a
# value of another type or a missing required key is not. Ends with 77 where the packages are missing.
# usage: schema_check.py RETSIM
import glob
import json
import os
import subprocess
import sys
import tempfile

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
retsim = os.path.abspath(sys.argv[1])
os.chdir(root)
failed = 0


def complain(*what):
    global failed
    failed += 1
    print("FAIL", *what)


def maps(node, path=()):
    if isinstance(node, dict):
        yield node, path
        for key, value in node.items():
            yield from maps(value, path + (key,))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from maps(value, path + (i,))


def loader_takes(doc):
    if isinstance(doc.get("tech"), str):
        doc = dict(doc, tech=os.path.abspath(os.path.join("configs/arch", doc["tech"])))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        yaml.safe_dump(doc, f, sort_keys=False)
        f.flush()
        return subprocess.run([retsim, "check", f.name], capture_output=True).returncode == 0


def check_file(kind, name, validator):
    doc = yaml.safe_load(open(name))
    for error in validator.iter_errors(doc):
        complain(name, list(error.absolute_path), error.message[:200])
    if kind not in ("arch", "workload"):
        return
    for node, path in list(maps(doc)):
        node["no_such_key"] = 1
        if validator.is_valid(doc):
            complain(name, path, "takes a key that does not exist")
        del node["no_such_key"]
        for key, value in list(node.items()):
            if isinstance(value, (dict, list)):
                continue
            for wrong in (-1, "nonsense of no use", 1.5, [[1]], {"a": 1}):
                node[key] = wrong
                # What depends on other keys is the loader's alone; a type never is.
                is_type = isinstance(wrong, (list, dict, float))
                if is_type and validator.is_valid(doc) and not loader_takes(doc):
                    complain(name, path + (key,), "takes", wrong, "which the loader does not")
            node[key] = value


kinds = {
    "arch": glob.glob("configs/arch/*.yaml"),
    "workload": glob.glob("workloads/models/*.yaml") + glob.glob("workloads/kernels/*.yaml"),
    "sweep": glob.glob("configs/sweeps/*.yaml"),
    "tech": glob.glob("configs/tech/*.yaml"),
}
files = 0
for kind, names in kinds.items():
    text = subprocess.run([retsim, "schema", kind], capture_output=True, text=True, check=True).stdout
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in sorted(names):
        check_file(kind, name, validator)
        files += 1
print(files, "files,", failed, "failed")
sys.exit(1 if failed or files < 20 else 0)
