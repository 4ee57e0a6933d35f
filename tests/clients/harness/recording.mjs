// Recordings of any size: a short phrase and, in a part of the file that
// players skip, bytes that occur nowhere else.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Words that the demo model knows. */
export const WORDS = 'hello world';
export const MIB = 1 << 20;

/** Writes a file of a little more than `bytes`: WAV, or what else the name says. */
export function record(path, bytes) {
    const parts = path.endsWith('.wav') ? wav(speech('wav'), bytes) : mp4(speech('m4a'), bytes);
    const hash = createHash('sha256');
    const file = openSync(path, 'w');
    for (const part of parts) {
        writeSync(file, part);
        hash.update(part);
    }
    closeSync(file);
    return { path, bytes: parts.reduce((sum, part) => sum + part.length, 0), hash: hash.digest('hex') };
}

/** Says the words so often that transcribing them takes a while. */
export function ramble(path) {
    const once = `${path}.once.wav`;
    writeFileSync(once, speech('wav'));
    run('ffmpeg', '-v', 'error', '-stream_loop', '1999', '-i', once, '-c', 'copy', path);
    return path;
}

/** With a chunk between the head of 12 bytes and the others. */
function wav(spoken, bytes) {
    const head = Buffer.from(spoken.subarray(0, 12));
    head.writeUInt32LE(spoken.length + bytes, 4);
    const junk = Buffer.alloc(8);
    junk.write('JUNK');
    junk.writeUInt32LE(bytes, 4);
    return [head, junk, randomBytes(bytes), spoken.subarray(12)];
}

/** With a box behind the others. */
function mp4(spoken, bytes) {
    const free = Buffer.alloc(8);
    free.writeUInt32BE(bytes + 8);
    free.write('free', 4);
    return [spoken, free, randomBytes(bytes)];
}

/** The words, in a file of that kind. */
function speech(kind) {
    const folder = mkdtempSync(join(process.env.CLIENTS_WORK, 'speech-'));
    const path = join(folder, `speech.${kind}`);
    run('espeak-ng', '-v', 'en-us+m3', '-s', '150', '-w', `${folder}/raw.wav`, WORDS);
    run('ffmpeg', '-v', 'error', '-i', `${folder}/raw.wav`, '-fflags', '+bitexact', path);
    const file = readFileSync(path);
    rmSync(folder, { recursive: true });
    return file;
}

function run(program, ...args) {
    const { status, stderr, error } = spawnSync(program, args);
    if (status !== 0) throw new Error(`${program}: ${error ?? stderr}`);
}
