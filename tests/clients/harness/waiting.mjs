// Bounded waits: nothing here tells how fast something is.

const LIMIT_S = 60;

/** Asks until the answer is true, and returns it. */
export async function until(what, ask) {
    const deadline = Date.now() + LIMIT_S * 1000;
    for (;;) {
        const answer = await ask();
        if (answer) return answer;
        if (Date.now() > deadline) throw new Error(`waited ${LIMIT_S} s in vain until ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/** What `promise` comes to, unless that takes too long. */
export async function within(limit_s, what, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what}: not done after ${limit_s} s`)), limit_s * 1000);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}
