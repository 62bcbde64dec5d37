/** What annotation tools are told to get of a label map, and how they find this server: what their dialects share. */
import type { Listening } from "../Dialect.ts"
import * as ErrorKind from "../../ErrorKind.ts"

export interface AnnotationOptions {
  /** A mask for each region, which annotators can edit one by one, or one for each class. "region" by default. */
  readonly per?: "region" | "class" | undefined
  /** Regions of fewer pixels are left out. 1 by default. */
  readonly minArea?: number | undefined
  /** How far the outlines of polygons may be moved to save points, in pixels. Exact by default. */
  readonly tolerance?: number | undefined
}

/** Throws where there is no such mask. */
export const check = ({ per }: AnnotationOptions): void => {
  ErrorKind.oneOf("annotation", "per", per, ["region", "class"])
}

/** The options as one text, for what changes with them. */
export const textOf = ({ minArea = 1, per = "region", tolerance = 0 }: AnnotationOptions): string =>
  `per ${per}, at least ${minArea} pixels, within ${tolerance}`

/** What a container calls the machine that it runs on. */
export const hostOfContainers = "host.docker.internal"

/** What it takes for a container to reach a server that listens on loopback; nothing where it does not. */
export const beyondLoopback = ({ isLoopback }: Listening): ReadonlyArray<string> =>
  isLoopback
    ? [
        `On Linux a container does not reach 127.0.0.1 of its machine, and ${hostOfContainers} takes --add-host ${hostOfContainers}:host-gateway: ` +
          "listen with --host 0.0.0.0 --allow-from 172.16.0.0/12 (Docker's networks), or with tokens"
      ]
    : []
