// Recordings of any size: a short phrase, and in front of it, in a part of the
// file that players skip, bytes that occur nowhere else.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

/** Words that the demo model knows. */
export const WORDS = 'hello world';
export const MIB = 1 << 20;

/** A WAV file of a little more than `bytes`. */
export function record(path, bytes) {
    const made = spawnSync('espeak-ng', ['-v', 'en-us+m3', '-s', '150', '-w', path, WORDS], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`espeak-ng: ${made.stderr ?? made.error}`);
    const speech = readFileSync(path);
    const head = Buffer.alloc(8);
    head.write('JUNK');
    head.writeUInt32LE(bytes, 4);
    // Behind the 12 bytes of `RIFF`, the length, `WAVE`.
    const file = Buffer.concat([speech.subarray(0, 12), head, randomBytes(bytes), speech.subarray(12)]);
    file.writeUInt32LE(file.length - 8, 4);
    writeFileSync(path, file);
    return { path, bytes: file.length, hash: createHash('sha256').update(file).digest('hex') };
}
