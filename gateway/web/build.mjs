// Bundles each page of src/ into dist/: assets/NAME-HASH.js and .css, and NAME.html that names them.
// A page is a folder src/NAME with NAME.ts (which imports its own CSS) and NAME.html.
// Everything is written beside dist/ and moved into place at the end, so that no reader sees half a build.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";

const root = path.dirname(fileURLToPath(import.meta.url));
const made = path.join(root, "dist.new");
const folders = await readdir(path.join(root, "src"), { withFileTypes: true });
const pages = folders.filter((entry) => entry.isDirectory() && entry.name !== "shared").map((entry) => entry.name);

await rm(made, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: pages.map((page) => ({ in: `src/${page}/${page}.ts`, out: page })),
  outdir: path.join(made, "assets"),
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".svg": "file", ".png": "file" },
  bundle: true,
  format: "esm",
  target: ["chrome110", "firefox115", "safari16.4"],
  minify: true,
  legalComments: "linked",
  metafile: true,
  logLevel: "warning",
});

const iconName = await asset("icon", ".svg", await readFile(path.join(root, "src", "shared", "icon.svg")));
const licensesName = await asset("licenses", ".txt", await licenses(Object.keys(metafile.inputs)));

for (const page of pages) {
  const entry = `src/${page}/${page}.ts`;
  const [script, output] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry);
  const names = { script: path.basename(script), style: path.basename(output.cssBundle ?? ""), icon: iconName, licenses: licensesName };
  const template = await readFile(path.join(root, "src", page, `${page}.html`), "utf8");
  const html = template.replace(/\{\{(script|style|icon|licenses)\}\}/g, (_, kind) => `/assets/${names[kind]}`);
  await writeFile(path.join(made, `${page}.html`), html);
}
for (const name of await readdir(path.join(made, "assets"))) {
  if (!/\.(js|css)$/.test(name)) continue;
  const file = path.join(made, "assets", name);
  await writeFile(`${file}.gz`, gzipSync(await readFile(file), { level: 9 }));
}
await rm(path.join(root, "dist"), { recursive: true, force: true });
await rename(made, path.join(root, "dist"));

/** Writes an asset whose name carries a hash of its content; the name. */
async function asset(name, extension, content) {
  const hashed = `${name}-${createHash("sha256").update(content).digest("hex").slice(0, 8)}${extension}`;
  await writeFile(path.join(made, "assets", hashed), content);
  return hashed;
}

/** The licences of all packages that are in the bundle, which theirs ask us to carry. */
async function licenses(inputs) {
  const packages = new Set(inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []));
  const texts = [...packages].sort().map(async (name) => {
    const folder = path.join(root, "node_modules", name);
    const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    if (!file) throw new Error(`${name} has no licence file`);
    return `${name} ${version}\n\n${(await readFile(path.join(folder, file), "utf8")).trim()}\n`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}
