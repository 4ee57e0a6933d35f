// The commands and programs that the README and the manual pages show.
import { readFileSync } from 'node:fs';

const read = (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

/** Blocks of code in Markdown: indented, or between fences. */
function markdownBlocks(text) {
    const fenced = [...text.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) => block);
    const rest = text.replaceAll(/^```.*?^```$/gms, '');
    const indented = [...rest.matchAll(/(?:^ {4}.*\n)+/gm)].map(([block]) => block.replaceAll(/^ {4}/gm, ''));
    return [...fenced, ...indented];
}

/** Literal blocks of a manual page, without the escapes of roff. */
function manualBlocks(text) {
    const characters = { '\\-': '-', '\\(aq': "'", '\\(dq': '"', '\\(ga': '`', '\\(ha': '^', '\\(ti': '~', '\\&': '', '\\e': '\\' };
    const blocks = [...text.matchAll(/^\.EX\n(.*?)^\.EE$/gms)].map(([, block]) => block);
    return blocks.map((block) => block.replaceAll(/\\(?:\(..|.)/g, (escape) => characters[escape] ?? escape));
}

/** All blocks, in the order in which they are read. */
export const BLOCKS = [
    ...markdownBlocks(read('README.md')),
    ...['scribed-http.7', 'scribed-callbacks.7', 'scribed-proxy.7', 'scribed-durability.7', 'scribed.toml.5'].flatMap((page) =>
        manualBlocks(read(`packaging/man/${page}`)),
    ),
];

/** All curl commands in their order, each on one line. */
export const CURL = BLOCKS.join('\n')
    .replaceAll(/ *\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => /^curl /.test(line));

/** The only curl command that matches. */
export function curl(pattern) {
    const found = CURL.filter((command) => pattern.test(command));
    if (found.length !== 1) throw new Error(`${found.length} documented commands match ${pattern}`);
    return found[0];
}
