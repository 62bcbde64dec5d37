/**
 * docs/configuration.md, from the tables in the code: `node -C effect-segformer-source test/docs/configuration.ts` writes it, and
 * Configuration.test.ts says where it is behind.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { PolicyConfig, type Variable } from "effect-segformer/policy"
import * as Flags from "../../src/cli/Flags.ts"
import "../../src/cli/ServeCommand.ts"
import * as SegFormerConfig from "../../src/http/SegFormerConfig.ts"
import * as ServiceVariables from "../../src/http/ServiceVariables.ts"
import * as ExchangeConfig from "../../src/service/ExchangeConfig.ts"

const root = new URL("../../", import.meta.url)
export const path = fileURLToPath(new URL("docs/configuration.md", root))

const sources = () =>
  globSync("src/**/*.ts", { cwd: fileURLToPath(root), exclude: ["src/server/page/**"] }).map((file) =>
    // Doc comments show variables of their own.
    readFileSync(new URL(file, root), "utf8").replaceAll(/\/\*\*[\s\S]*?\*\//g, "")
  )

/** As a cell: how durations are written stands above the tables. */
const cell = (text: string) =>
  text.replaceAll("|", "\\|").replace(/a duration such as .* milliseconds/, "a duration")

const table = (variables: Readonly<Record<string, Variable.Variable<unknown>>>): string =>
  [
    "| variable | sets | takes | default |",
    "|---|---|---|---|",
    ...Object.values(variables).map(
      (variable) =>
        `| \`${variable.name}\` | ${cell(variable.sets)} | ${cell(variable.takes)} | ${cell(variable.default)} |`
    )
  ].join("\n")

/** The flags of `segformer serve` that the environment can set. */
const serveFlags = (): string =>
  Array.from(
    [...Flags.variables.keys()].filter((name) => name.startsWith("SEGFORMER_SERVE_")),
    (name) =>
      `| \`${name}\` | \`--${name.replace("SEGFORMER_SERVE_", "").toLowerCase().replaceAll("_", "-")}\` |`
  ).join("\n")

export const render = (): string => `# Configuration

This page is made from the tables that the code reads (\`test/docs/configuration.ts\`). A variable that is empty is one that
is not set. What a program says goes before the environment, part by part; what neither says is the default.

Durations are written \`30 seconds\`, \`2 minutes\`, \`1500 millis\`, or as a number of milliseconds. A part that is \`off\` is
off; \`on\` and \`off\` are also \`true\`, \`yes\`, \`1\` and \`false\`, \`no\`, \`0\`. All that is wrong is said at once, each with its
variable:

\`\`\`
The configuration is not usable:
  SEGFORMER_TIMEOUT is "soon", but must be a duration such as \`30 seconds\`, or a number of milliseconds, or \`off\`
  SEGFORMER_RATE_LIMIT_BURST is set, but SEGFORMER_RATE_LIMIT is not
\`\`\`

## The service

Read by \`SegFormerHttp.layerConfig(SegFormerConfig.config)\`, and by the command for \`--url\`.

${table(SegFormerConfig.serviceVariables)}

The same as a settings file, which \`segformer probe URL --write FILE\` makes and \`--service FILE\` reads, and how the two go
together: [call a service](guides/call-a-service.md#settings-of-a-service). A protocol has a use for some of these; one that it
has none for is refused.

${table(ServiceVariables.variables)}

For a \`.env\` file, provide \`SegFormerConfig.layerDotEnv()\`: variables of the real environment go before those of the file.
That there is no \`.env\` is no failure; that one is not there which was asked for by name is.

## The policy

What they mean, and in which order the parts stand, is in [architecture](architecture.md). \`PolicyConfig.load\` reads them
for services of one's own.

${table(PolicyConfig.variables)}

## Requests and connections

${table({ ...ExchangeConfig.variables, poolSize: ExchangeConfig.poolSize })}

| variable | sets | default |
|---|---|---|
| \`HTTP_PROXY\`, \`HTTPS_PROXY\` | the proxy that requests over http and over https go through, with \`NodeHttp\` and in the command; in lower case too, which goes before | none |
| \`ALL_PROXY\` | the proxy for both, where one of them is not set | none |
| \`NO_PROXY\` | hosts that no proxy is asked for, with commas between: names with their subdomains, \`*.name\`, \`host:port\`, networks such as \`10.0.0.0/8\`, \`*\` | none |
| \`NODE_EXTRA_CA_CERTS\` | a file of certificates that Node trusts besides its own, for private authorities; the command has \`--ca\` too | none |

## Companion services

\`ServiceRegistry\` reads these for each service by its name: \`USER_SERVICE_URL\` for \`user\` and \`user-service\`,
\`PYTHON_SERVICE_URL\` (or \`IMAGE_PROCESSING_SERVICE_URL\`) for image processing, \`AUTHENTICATION_SERVICE_URL\` or
\`AUTH_SERVICE_URL\` for authentication. Where two names for one thing are set and differ, that is told, with both.

| variable | sets | default |
|---|---|---|
| \`{NAME}_SERVICE_URL\` | the base URL as a whole; the next four are its parts instead | none |
| \`{NAME}_SERVICE_HOST\` | host | localhost, where one of the next three is set |
| \`{NAME}_SERVICE_PORT\` | port | that of the service |
| \`{NAME}_SERVICE_PROTOCOL\` | \`http\` or \`https\` | \`http\` |
| \`{NAME}_SERVICE_BASE_PATH\` | path before all others | that of the service |
| \`{NAME}_SERVICE_API_KEY\`, \`{NAME}_API_KEY\` | sent as \`Authorization: Bearer\`; never printed | none |
| \`{NAME}_SERVICE_TIMEOUT\` | time for one attempt | 30 seconds |
| \`{NAME}_SERVICE_MAX_RETRIES\` | attempts after the first | 3 |
| \`{NAME}_SERVICE_RETRY_DELAY\` | wait before the first retry | 1 second |
| \`{NAME}_SERVICE_MAX_CONNECTIONS\` | requests under way at once, and connections that are open for them | 10 |
| \`HEALTH_CHECK_INTERVAL\` | time between background checks of image processing | 60 seconds |

Where nothing is set the services that the library knows are on this machine: \`user\` at port 8001, \`knowledge\` 8002,
\`project\` 8003, \`analytics\` 8004, \`marketplace\` 8005, \`design\` 8000, all under \`/api/v1\`; image processing and
retrieval at port 8000. With \`NODE_ENV\` or \`ENVIRONMENT\` \`production\` no service is taken to be there.

## Models

| variable | sets | default |
|---|---|---|
| \`SEGFORMER_CACHE\` | folder that models are kept in | \`effect-segformer\` in the user's cache folder (\`XDG_CACHE_HOME\`, \`LOCALAPPDATA\`) |
| \`SEGFORMER_PROVIDER\` | by what a model runs: \`cpu\`, \`cuda\`, \`tensorrt\`, \`directml\`, \`coreml\`, \`webgpu\` or \`auto\` | \`cpu\` |
| \`HF_ENDPOINT\` | a mirror of the Hugging Face Hub | \`https://huggingface.co\` |
| \`HF_TOKEN\` | for models that are not public; sent to the endpoint only, never printed | none |
| \`HF_HUB_OFFLINE\` | \`1\`: use the cache, ask nobody | off |

## Label Studio

Where \`segformer serve --protocol labelstudio\` finds the pictures that Label Studio keeps ([how](guides/label-studio.md)).

| variable | sets | default |
|---|---|---|
| \`LABEL_STUDIO_URL\`, \`LABEL_STUDIO_HOST\` | where Label Studio is found from here, as \`--label-studio\` has it | none: pictures of its own are not fetched |
| \`LABEL_STUDIO_API_KEY\`, \`LABEL_STUDIO_ACCESS_TOKEN\` | its key: a token of old, or a personal access token; sent to its host only, never printed | none |

## The command

\`segformer serve --help\` says what each flag means; the command line goes before the environment.

\`SEGFORMER_SERVICE_URL\` is the \`--url\` of \`segment\`, \`tile\`, \`batch\`, \`serve\` and \`health\` where the command line names
nobody to segment: no \`--url\`, \`--service\`, \`--model\`, and nothing that is of a model here (\`--variant\`, \`--provider\` and the like).
The command says so. \`eval\` compares that service with the models of \`--against\`; beside a precision or a runtime it compares the model in the
package. A worker asks whom its run names.

| variable | flag of \`segformer serve\` |
|---|---|
${serveFlags()}
| \`SEGFORMER_SERVE_TOKENS\` | bearer tokens, with commas between; for a file of them \`--token-file\` |

| variable | sets | default |
|---|---|---|
| \`SEGFORMER_DB\` | \`--db\`: the PostgreSQL database of runs | none |
| \`SEGFORMER_SHARDS\` | \`--shards\`: parts that the work is divided into | 300 |
| \`SEGFORMER_TAKEOVER\` | \`--takeover\`: seconds that a worker which is gone is waited for | 15 |
| \`SEGFORMER_REDIS\` | \`--redis\` of \`segformer worker\`: where workers share rate limits and circuits | none |
| \`SEGFORMER_WORKER_HOST\`, \`SEGFORMER_WORKER_PORT\` | where other workers reach this one | its address, 34431 |
| \`OTEL_EXPORTER_OTLP_ENDPOINT\` | where \`serve\` sends traces, logs and metrics, or that of one signal (\`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT\`) | nowhere |
| \`OTEL_EXPORTER_OTLP_PROTOCOL\` | \`http/protobuf\` or \`http/json\` | \`http/protobuf\` |
| \`OTEL_SERVICE_NAME\` | as OpenTelemetry has it; its other variables hold as well | \`segformer\` |
| \`NO_COLOR\`, \`TERM\` | no colours where the first is set or the second is \`dumb\` | |
| \`NODE_ENV\`, \`ENVIRONMENT\` | \`production\`: nothing is taken to be on this machine | |
| \`NODE_OPTIONS\`, \`MALLOC_ARENA_MAX\` | memory of \`segformer tile\`, instead of what it sets itself | [large images](guides/large-images.md#memory) |
| \`ORT_DISABLE_TELEMETRY\` | whether ONNX Runtime keeps its use to itself | \`1\` |
`

/** The names of variables that the code reads: text in capitals that is given to what reads the environment. */
export const readByCode = (): ReadonlyArray<string> => {
  const names = new Set<string>()
  for (const code of sources()) {
    const plain = code.matchAll(
      /(?:Config\.\w+|Variable\.\w+|\btext|process\.env\[|\bvariable|\bnumber|\bduration)\(?\s*"([A-Z][A-Z0-9_]{2,})"/g
    )
    for (const match of plain) names.add(match[1]!)
    for (const match of code.matchAll(/\$\{start\}(_[A-Z_]+)`/g)) names.add(`{NAME}_SERVICE${match[1]!}`)
  }
  return [...names].toSorted()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, render())
