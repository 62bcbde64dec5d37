/** Forward proxies between our client and a server: requests that they pass on, tunnels, passwords, and what they refuse. */
import { request as send } from "node:http"
import { chmodSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { SegFormer } from "effect-segformer/http"
import * as TestServer from "../../support/TestServer.ts"
import * as TlsServer from "../../support/TlsServer.ts"
import * as Ours from "../clients/Ours.ts"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"
import * as Front from "./Front.ts"

interface Proxy {
  /** Where the proxy is, such as 127.0.0.1:3128. */
  readonly host: string
  readonly ours: string
  /** The same server over TLS, by an authority of its own. */
  readonly tls: string
  /** Where nobody listens, over http and over TLS. */
  readonly dead: string
  readonly deadTls: string
}

interface Program {
  readonly command: string
  readonly args: (folder: string) => ReadonlyArray<string>
  /** Of a port, and the ports that tunnels may go to. */
  readonly config: (folder: string, port: number, tunnels: ReadonlyArray<number>) => string
}

/** A proxy that asks for a name and a password, and what it leads to. */
const start = ({ args, command, config }: Program): Effect.Effect<Proxy, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const { url } = yield* Ours.serve("huggingface")
    const tls = yield* TlsServer.makeWith((request, response) => {
      const { headers, method, url: path = "" } = request
      const onward = send(url + path, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      onward.on("error", () => response.destroy())
      request.pipe(onward)
    })
    const dead = yield* TestServer.closedPort
    const folder = yield* Process.folder
    // Some of them give up the rights of whoever starts them.
    chmodSync(folder, 0o755)
    const { port } = yield* Process.start({
      command,
      args: (port) => {
        writeFileSync(join(folder, "proxy.conf"), config(folder, port, [Number(new URL(tls.url).port), dead]))
        return args(folder)
      },
      ready: (url) =>
        new Promise((resolve) => {
          const socket = connect(Number(new URL(url).port), "127.0.0.1")
          socket.on("connect", () => resolve(true)).on("error", () => resolve(false))
          socket.on("connect", () => socket.destroy())
        })
    })
    return {
      host: `127.0.0.1:${port}`,
      ours: url,
      tls: tls.url,
      dead: `http://127.0.0.1:${dead}`,
      deadTls: `https://127.0.0.1:${dead}`
    }
  })

const through = (
  { host }: Proxy,
  baseUrl: string,
  account: string | undefined = "ada:s3cret"
): Front.Service => ({
  baseUrl,
  apiKey: Front.token,
  protocol: SegFormer.protocol,
  ca: TlsServer.cert,
  proxy: `http://${account === undefined ? "" : `${account}@`}${host}`
})

/** What every one of them does alike. */
const common = {
  "passes requests on, with a password": (proxy: Proxy) => Front.sameMaps(through(proxy, proxy.ours)),
  "makes a tunnel for TLS": (proxy: Proxy) => Front.sameMaps(through(proxy, proxy.tls)),
  "many images through tunnels": (proxy: Proxy) => Front.all(through(proxy, proxy.tls), 6),
  "no password": (proxy: Proxy) => Front.failsWith(through(proxy, proxy.ours, ""), "ConnectionFailed", /407/),
  "no password, for a tunnel": (proxy: Proxy) =>
    Front.failsWith(through(proxy, proxy.tls, ""), "ConnectionFailed", /407/),
  "another password": (proxy: Proxy) =>
    Front.failsWith(
      through(proxy, proxy.ours, "ada:wrong"),
      "ConnectionFailed",
      /asks for a name and a password/
    ),
  "another password, for a tunnel": (proxy: Proxy) =>
    Front.failsWith(
      through(proxy, proxy.tls, "ada:wrong"),
      "ConnectionFailed",
      /asks for a name and a password/
    ),
  "a host that it refuses": (proxy: Proxy) =>
    Front.failsWith(through(proxy, "http://refused.example"), "ConnectionFailed", /403/),
  "a tunnel to a port that it refuses": (proxy: Proxy) =>
    Front.failsWith(through(proxy, proxy.ours.replace("http", "https")), "ConnectionFailed", /403/),
  "a server that is away": (proxy: Proxy) =>
    Front.failsWith(through(proxy, proxy.dead), "ConnectionFailed", /50\d/),
  "a tunnel to a server that is away": (proxy: Proxy) =>
    Front.failsWith(through(proxy, proxy.deadTls), "ConnectionFailed", /50\d/)
}

const tinyproxy = Peer.make({
  name: "tinyproxy",
  kind: "in front",
  packages: Peer.debian("tinyproxy-bin"),
  programs: { tinyproxy: "tinyproxy-bin" },
  start: start({
    command: "tinyproxy",
    args: (folder) => ["-d", "-c", join(folder, "proxy.conf")],
    config: (folder, port, tunnels) => {
      writeFileSync(join(folder, "filter"), "refused.example\n")
      return [
        `Port ${port}`,
        "Listen 127.0.0.1",
        "Timeout 60",
        "LogLevel Error",
        "MaxClients 100",
        "BasicAuth ada s3cret",
        `Filter "${join(folder, "filter")}"`,
        ...tunnels.map((one) => `ConnectPort ${one}`),
        ""
      ].join("\n")
    }
  }),
  trials: common
})

const squid = Peer.make({
  name: "squid",
  kind: "in front",
  packages: Peer.debian("squid"),
  programs: { squid: "squid" },
  start: start({
    command: "squid",
    args: (folder) => ["-N", "-d", "0", "-f", join(folder, "proxy.conf")],
    config: (folder, port, tunnels) => {
      const asking = join(folder, "asking.sh")
      writeFileSync(
        asking,
        '#!/bin/sh\nwhile read -r line; do [ "$line" = "ada s3cret" ] && echo OK || echo ERR; done\n'
      )
      chmodSync(asking, 0o755)
      return [
        `http_port 127.0.0.1:${port}`,
        "pid_filename none",
        "cache deny all",
        "access_log none",
        "cache_log /dev/stderr",
        "cache_store_log none",
        "shutdown_lifetime 0 seconds",
        "connect_timeout 5 seconds",
        `auth_param basic program ${asking}`,
        "auth_param basic realm staff",
        "acl known proxy_auth REQUIRED",
        "acl refused dstdomain refused.example",
        `acl tunnels port ${tunnels.join(" ")}`,
        "acl CONNECT method CONNECT",
        "http_access deny refused",
        "http_access deny CONNECT !tunnels",
        "http_access allow known",
        "http_access deny all",
        ""
      ].join("\n")
    }
  }),
  trials: common
})

export const rows: ReadonlyArray<Peer.Peer> = [tinyproxy, squid]
