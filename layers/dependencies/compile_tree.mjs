// Run compile_tree.py in Pyodide: a CPython 3.13 in WebAssembly, for machines that have no other.
//
//   node compile_tree.mjs FOLDER...

import { readFileSync } from "node:fs";
import { loadPyodide } from "pyodide";

const program = new URL("compile_tree.py", import.meta.url);
const python = await loadPyodide({ env: { PYTHONHASHSEED: process.env.PYTHONHASHSEED } });
const mounts = process.argv.slice(2).map((folder, index) => {
  const mount = `/layers/${index}`;
  python.mountNodeFS(mount, folder);
  return mount;
});
python.globals.set("arguments", python.toPy(mounts));
python.runPython("import sys; sys.argv[1:] = arguments");
python.runPython(readFileSync(program, "utf8"), { filename: "compile_tree.py" });
