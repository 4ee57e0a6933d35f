// @tus/server with its file store, on a free port of loopback.
// usage: node serve-tus-node.mjs NODE_MODULES DATA
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, directory] = process.argv.slice(2);
const require = createRequire(join(modules, "any.js"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const { Server } = await load("@tus/server");
const { FileStore } = await load("@tus/file-store");

const tus = new Server({ path: "/files", datastore: new FileStore({ directory }) });
const listening = tus.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${listening.address().port}`);
});
