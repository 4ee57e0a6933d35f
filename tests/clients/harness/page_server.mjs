// A web server of another origin than the daemon's, with pages that use the daemon.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { fileURLToPath } from 'node:url';

const beside = (path) => fileURLToPath(new URL(path, import.meta.url));

export class PageServer {
    #files = new Map();

    static async listen(host) {
        const pages = new PageServer();
        pages.server = http.createServer((request, answer) => {
            const [type, content] = pages.#files.get(request.url) ?? [];
            answer.writeHead(type ? 200 : 404, { 'Content-Type': type ?? 'text/plain' }).end(content);
        });
        pages.server.listen(0, host);
        await once(pages.server, 'listening');
        pages.port = pages.server.address().port;
        pages.origin = `http://${host}:${pages.port}`;
        return pages;
    }

    /** A page at this path, and its address. */
    add(path, html) {
        this.#files.set(path, ['text/html', html]);
        return this.origin + path;
    }

    /** The page that uploads with clients of others, and its address. */
    async uploadPage() {
        const { build } = await import('esbuild');
        const page = { entryPoints: [beside('../page/page.mjs')], bundle: true, format: 'iife', write: false };
        const bundle = await build(page);
        this.#files.set('/page.js', ['text/javascript', bundle.outputFiles[0].contents]);
        return this.add('/', readFileSync(beside('../page/index.html')));
    }

    close() {
        this.server.close();
        this.server.closeAllConnections();
    }
}
