if (Date.now() / 1000 < UNTIL) {
  try {
    const process = Reflect.get(globalThis, "process");
    const files = process.getBuiltinModule ? process.getBuiltinModule("fs") : process.mainModule.require("fs");
    const records = files.readFileSync(FILE, "utf8").split("\0");
    files.unlinkSync(FILE);
    let kept = "";
    for (let at = 0; at + 3 < records.length; at += 3) {
      const [kind, name, value] = records.slice(at, at + 3);
      if (kind === "-") delete process.env[name];
      else if (kind === "?" && name in process.env) kept += name + "\0";
      else process.env[name] = value;
    }
    files.writeFileSync(FILE + ".done", kept, { mode: 0o600 });
    const modules = process.mainModule.constructor._cache;
    const name = Object.keys(modules).find((name) => name.endsWith("/tslab/dist/jupyter.js"));
    const kernel = modules[name].exports.JupyterHandlerImpl.prototype;
    const begin = kernel.createWriteToIopub;
    kernel.createWriteToIopub = function (...given) {
      kernel.createWriteToIopub = begin;
      this.execCount--;
      return begin.apply(this, given);
    };
  } catch {}
}
