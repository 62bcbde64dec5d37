/** nginx before a server: what it says in the server's place, what it does to connections, and its paths. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { HuggingFace, Replicate, SegFormer } from "effect-segformer/http"
import * as TestServer from "../../support/TestServer.ts"
import * as TlsServer from "../../support/TlsServer.ts"
import * as Ours from "../clients/Ours.ts"
import * as Peer from "../Peer.ts"
import * as Pictures from "../Pictures.ts"
import * as Process from "../Process.ts"
import * as Front from "./Front.ts"

interface Nginx {
  readonly url: string
  /** The same over TLS, by an authority of its own. */
  readonly tls: string
  readonly process: Process.Started["process"]
  readonly ours: Ours.Ours
}

/** One place for each of its ways. */
const config = (folder: string, port: number, tls: number, upstream: number, dead: number, slow: number) => `
${process.getuid?.() === 0 ? "user root;" : ""}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_max_body_size 64m;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  limit_req_zone $server_port zone=requests:1m rate=4r/s;
  limit_req_zone $server_port zone=busy:1m rate=4r/s;
  limit_req_zone $server_port zone=once:1m rate=1r/m;
  limit_conn_zone $server_port zone=connections:1m;
  upstream ours { server 127.0.0.1:${upstream}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    listen 127.0.0.1:${tls} ssl;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    location = /up { return 204; }
    location /ours/ { proxy_pass http://ours/; proxy_set_header X-Forwarded-Prefix /ours; }
    location /unbuffered/ { proxy_pass http://ours/; proxy_request_buffering off; proxy_buffering off; }
    location /old/ { proxy_pass http://ours/; proxy_http_version 1.0; proxy_set_header Connection close; }
    location /small/ { client_max_body_size 100k; proxy_pass http://ours/; }
    location /slow/ { proxy_read_timeout 1s; proxy_pass http://127.0.0.1:${slow}/; }
    location /dead/ { proxy_pass http://127.0.0.1:${dead}/; }
    location /limited/ { limit_req zone=requests; limit_req_status 429; proxy_pass http://ours/; }
    location /once/ { limit_req zone=once; limit_req_status 429; proxy_pass http://ours/; }
    location /busy/ { limit_req zone=busy; proxy_pass http://ours/; }
    location /few/ { limit_conn connections 1; proxy_pass http://ours/; }
    location /packed/ { gzip on; gzip_min_length 1; gzip_proxied any; gzip_types *; proxy_pass http://ours/; }
    location /short/ { keepalive_requests 2; proxy_pass http://ours/; }
    location /brief/ { keepalive_timeout 1ms; proxy_pass http://ours/; }
    location /none/ { keepalive_timeout 0; proxy_pass http://ours/; }
    location /guarded/ { auth_basic "staff"; auth_basic_user_file ${folder}/users; proxy_pass http://ours/; }
    location /moved/ { return 301 $scheme://$http_host/ours/; }
    location ~ ^/kept/(.*)$ { return 308 $scheme://$http_host/ours/$1$is_args$args; }
  }
}
`

const start: Effect.Effect<Nginx, Error, Scope.Scope> = Effect.gen(function* () {
  const ours = yield* Ours.serve("huggingface,replicate", ["--trust-proxy", "loopback"])
  const folder = yield* Process.folder
  const [dead, tls] = [yield* TestServer.closedPort, yield* TestServer.closedPort]
  const slow = yield* TestServer.http(() => {})
  writeFileSync(join(folder, "cert.pem"), TlsServer.cert)
  writeFileSync(join(folder, "key.pem"), TlsServer.key)
  writeFileSync(join(folder, "users"), "somebody:{PLAIN}secret\n")
  const { process: child, url } = yield* Process.start({
    command: "nginx",
    args: (port) => {
      const upstream = Number(new URL(ours.url).port)
      writeFileSync(join(folder, "nginx.conf"), config(folder, port, tls, upstream, dead, slow.port))
      return ["-p", folder, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    },
    ready: "/up"
  })
  return { url, tls: `https://localhost:${tls}`, process: child, ours }
})

const at = (baseUrl: string, more: Partial<Front.Service> = {}): Front.Service => ({
  baseUrl,
  apiKey: Front.token,
  protocol: SegFormer.protocol,
  ...more
})

const replicate = Replicate.make({ version: "segformer" })

export const peer = Peer.make({
  name: "nginx",
  kind: "in front",
  packages: Peer.debian("nginx"),
  programs: { nginx: "nginx-light" },
  start,
  trials: {
    "a path of its own before the server's": ({ url }) => Front.sameMaps(at(`${url}/ours`)),
    "bodies that it does not keep": ({ url }) => Front.sameMaps(at(`${url}/unbuffered`)),
    "HTTP/1.0 behind it": ({ url }) => Front.sameMaps(at(`${url}/old`)),
    "forms in chunks, by fetch": ({ url }) =>
      Front.sameMaps(
        at(`${url}/ours/`, { fetch: true, protocol: HuggingFace.make({ classes: Pictures.classes }) })
      ),
    "answers that it packs": ({ url }) => Front.sameMaps(at(`${url}/packed`), 3),
    "two requests on a connection": ({ url }) => Front.sameMaps(at(`${url}/short`), 12),
    "connections that end when nothing comes": ({ url }) => Front.sameMaps(at(`${url}/brief`), 12),
    "a connection for each request": ({ url }) => Front.sameMaps(at(`${url}/none`), 6),
    "jobs under a path of its own, asked for by the address that is told": ({ url }) =>
      Front.sameMaps(at(`${url}/ours`, { protocol: replicate })),
    "the page under a path of its own": ({ url }) => Front.wholePage(`${url}/ours/`),
    "its configuration loaded anew meanwhile": ({ process: child, url }) =>
      Effect.all([Front.sameMaps(at(`${url}/ours`), 25), Front.often(12, () => child.kill("SIGHUP"))], {
        concurrency: 2
      }),
    "TLS by an authority that is given": ({ tls }) =>
      Front.sameMaps(at(`${tls}/ours`, { ca: TlsServer.cert })),
    "TLS by an authority that is not": ({ tls }) =>
      Front.failsWith(at(`${tls}/ours`), "ConnectionFailed", /./),
    "too large, as a page": ({ url }) =>
      Front.failsWith(at(`${url}/small`), "RequestRejected", /413/, "large"),
    "a server that takes too long": ({ url }) =>
      Front.failsWith(at(`${url}/slow`), "ServiceUnavailable", /\(504\): 504 Gateway Time-out/),
    "a server that is away": ({ url }) =>
      Front.failsWith(at(`${url}/dead`), "ServiceUnavailable", /\(502\): 502 Bad Gateway/),
    "no more requests now, as 429": ({ url }) =>
      Effect.andThen(
        Front.one(at(`${url}/once`)),
        Front.failsWith(at(`${url}/once`), "RateLimited", /\(429\): 429 Too Many Requests/)
      ),
    "many images at a limit of 4 a second, as 429": ({ url }) => Front.all(at(`${url}/limited`)),
    "the same as 503": ({ url }) => Front.all(at(`${url}/busy`)),
    "many images through one connection at a time": ({ url }) => Front.all(at(`${url}/few`)),
    "its password": ({ url }) => Front.failsWith(at(`${url}/guarded`), "Unauthorized", /\(401\): 401 Auth/),
    "moved by 301": ({ url }) =>
      Front.failsWith(at(`${url}/moved`), "RedirectRefused", /redirects \(301\) to/),
    "moved by 308, which is followed where that is said": ({ url }) =>
      Front.sameMaps(at(`${url}/kept`, { redirects: {} }))
  }
})
