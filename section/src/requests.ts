// Requests to the server extension. A value goes out in a body, and none comes back.

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** A kernel that was given a secret, and in which version. */
export interface Holder {
  kernel: string;
  version: number | null;
}

/** What is known of a secret; never its value. */
export interface Secret {
  name: string;
  place: string;
  source: string;
  kind: string;
  description: string;
  version: number | null;
  time: string | null;
  by: string | null;
  kernels: Holder[];
}

/** A source of vault.toml that takes any name. */
export interface Place {
  source: string;
  default: boolean;
  versions: boolean;
}

/** Everything that the panel shows. */
export interface Listing {
  secrets: Secret[];
  places: Place[];
  fixed: { source: string; what: string }[];
}

/** What an import does with one name. */
export interface Change {
  name: string;
  change: 'add' | 'replace' | 'same';
}

/** One version of a secret. */
export interface Version {
  version: number;
  time: string;
  change: string;
}

/** What was refused: by the program with its exit code, by the server with its status, or no answer at all. */
export class Refused extends Error {
  constructor(
    readonly by: 'program' | 'server' | 'network',
    readonly code: number,
    message: string,
    readonly advice: string
  ) {
    super(message);
  }
}

/** The server extension, as the panel uses it. */
export class Requests {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** Names, versions, times and descriptions. */
  list(): Promise<Listing> {
    return this.send('secrets') as Promise<Listing>;
  }

  /** One order, such as `set`, with its content. */
  order(order: string, content: object): Promise<unknown> {
    return this.send(order, content);
  }

  private async send(path: string, content?: object): Promise<unknown> {
    const url = URLExt.join(this.settings.baseUrl, 'jupyter-vault', path);
    const init: RequestInit = { cache: 'no-store' };
    if (content) {
      init.method = 'POST';
      init.body = JSON.stringify(content);
      init.headers = { 'Content-Type': 'application/json' };
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch {
      throw new Refused('network', 0, '', '');
    }
    const said = await response.json().catch(() => ({}));
    if (response.ok) {
      return said;
    }
    if (typeof said.code === 'number') {
      throw new Refused('program', said.code, said.message, said.advice);
    }
    throw new Refused('server', response.status, said.message ?? '', '');
  }
}
