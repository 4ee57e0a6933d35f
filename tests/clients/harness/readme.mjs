// The curl commands that the README shows.
import { readFileSync } from 'node:fs';

const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

/** Lines of blocks of code: indented, or between fences. */
function code() {
    let isFenced = false;
    return README.split('\n').flatMap((line) => {
        if (line.startsWith('```')) {
            isFenced = !isFenced;
            return [];
        }
        if (isFenced) return [line];
        return line.startsWith('    ') ? [line.slice(4)] : [];
    });
}

/** All of them, in their order, each on one line. */
export const CURL = code()
    .join('\n')
    .replaceAll(/ *\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => /^curl /.test(line));

/** The only one that fits. */
export function curl(pattern) {
    const found = CURL.filter((command) => pattern.test(command));
    if (found.length !== 1) throw new Error(`${found.length} commands of the README fit to ${pattern}`);
    return found[0];
}
