// Bounded waits: nothing here measures how fast something is.

const LIMIT_S = 60;

/** Asks until the answer is true, and returns it. */
export async function until(what, ask, limitS = LIMIT_S) {
    const deadline = Date.now() + limitS * 1000;
    for (;;) {
        const answer = await ask();
        if (answer) return answer;
        if (Date.now() > deadline) throw new Error(`waited ${limitS} s in vain until ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** What `promise` comes to, unless that takes too long. */
export async function within(limitS, what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what}: not done after ${limitS} s`)), limitS * 1000);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}
