/** What a person gets who presses Tab, asked of the shells themselves. */
import { spawn } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import * as Needs from "../support/Needs.ts"

/** Drivers: each reads `completions` in its folder, and prints what each line of `$TYPED` may go on with, then `#next`. */
const drivers = {
  bash: {
    args: ["--noprofile", "--norc", "driver"],
    text: `
source ./completions
read -r _ _ function _ < <(complete -p segformer)
while IFS= read -r COMP_LINE; do
  read -r -a COMP_WORDS <<< "$COMP_LINE"
  COMP_POINT=\${#COMP_LINE} COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  $function segformer "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}"
  printf '<%s>\\n' "\${COMPREPLY[@]}"
  echo '#next'
done <<< "$TYPED"
`
  },
  // A shell in a terminal of its own, in which what would be offered is printed as well. What is typed before it
  // prompts would be taken by the terminal, and not by its editor.
  zsh: {
    args: ["-f", "driver"],
    text: `
zmodload zsh/zpty
zpty child zsh -f -i
zpty -w child 'PS1=next: PS2=; autoload -Uz compinit; compinit -u -D; source ./completions'
zpty -w child 'compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a hits; builtin compadd -A hits "$@"; print -r -l -- "<\${(j:><:)hits}>"; builtin compadd "$@"
}'
zpty -w child 'print REA""DY'
zpty -r child out '*READY*next:*'
for line in "\${(@f)TYPED}"; do
  zpty -n -w child "$line"$'\\t\\x15'
  zpty -w child 'print FIN""ISHED'
  zpty -r child out '*FINISHED*next:*'
  print -r -- "$out" '#next'
done
`
  },
  fish: {
    args: ["--no-config", "driver"],
    text: `
source ./completions
for line in (string split \\n $TYPED)
  complete -C "$line" | string replace -r '^([^\\t]*).*$' '<$1>'
  echo '#next'
end
`
  }
} as const

type Shell = keyof typeof drivers

/** What a shell offers to write next after each line, where there are a picture and a folder. */
const offered = Effect.fnUntraced(function* (
  shell: Shell,
  lines: ReadonlyArray<string>
): Effect.fn.Return<Readonly<Record<string, ReadonlyArray<string>>>, never, Scope.Scope> {
  const { args, text } = drivers[shell]
  const { stdout: completions } = yield* run(["--completions", shell])
  const cwd = yield* folder({ completions, driver: text, "picture.png": "", "photos/one.png": "" })
  const printed = yield* Effect.callback<string>((resume) => {
    const child = spawn(shell, args, {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: cwd, TERM: "xterm", TYPED: lines.join("\n") },
      stdio: ["ignore", "pipe", "ignore"]
    })
    const out: Array<Buffer> = []
    child.stdout.on("data", (chunk) => out.push(chunk))
    child.on("close", () => resume(Effect.succeed(Buffer.concat(out).toString())))
    return Effect.sync(() => child.kill("SIGKILL"))
  })
  const parts = printed.split("#next")
  return Object.fromEntries(
    lines.map((line, index) => {
      const found = parts[index]?.matchAll(/<([^<>]+)>/g) ?? []
      return [line, [...new Set(Array.from(found, (match) => match[1]!.replace(/\/$/, "")))].sort()]
    })
  )
})

const words = {
  "segformer se": ["segment", "serve"],
  "segformer segment --ma": ["--max-bytes", "--max-pixels"],
  "segformer batch photos --csv r": ["regions"]
}

/** File names of images, of results, and of what may be an address or an id too. */
const files = {
  "segformer segment pi": ["picture.png"],
  "segformer segment photos pi": ["picture.png"],
  "segformer segment a.png --model pi": ["picture.png"],
  "segformer tile pi": ["picture.png"],
  "segformer batch pi": ["picture.png"],
  "segformer export coco pi": ["picture.png"],
  "segformer probe http://localhost:8080 --image pi": ["picture.png"],
  "segformer eval found truth --html pi": ["picture.png"],
  "segformer segment a.png --out ph": ["photos"],
  "segformer batch photos -o ph": ["photos"],
  "segformer eval ph": ["photos"]
}

for (const shell of ["bash", "zsh", "fish"] as const) {
  describe.skipIf(Needs.shells[shell] === undefined)(`completions in ${shell}`, () => {
    it.live("offer commands, flags, what a flag may be, and file names where a path may stand", () =>
      Effect.gen(function* () {
        const expected = { ...words, ...files }
        assert.deepStrictEqual(yield* offered(shell, Object.keys(expected)), expected)
      }).pipe(Effect.scoped)
    )
  })
}
