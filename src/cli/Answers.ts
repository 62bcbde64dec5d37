/**
 * What the command prints when it is asked about itself, ready made. Effect's command line alone takes three times as
 * long to load as Node takes to start (with V8's compile cache, which writes files, still twice as long), and help and
 * completions are the same every time: `rolldown.config.ts` asks the command for them as it is bundled, and puts them
 * here, in colours. From sources there are none, and the command answers itself.
 */

/** By the words of the command line, as JSON. */
export const answers: Readonly<Record<string, string>> = {}
