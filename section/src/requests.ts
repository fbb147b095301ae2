// Requests to the server extension. Values are sent in bodies, and no answer contains one.

import { ISignal, Signal } from '@lumino/signaling';

import { Host, Running } from './host';

/** A kernel that was given a secret, and its version. */
export interface Holder {
  kernel: string;
  version: number | null;
}

/** A secret, without its value. */
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

/** A source of vault.toml that can hold any name. */
export interface Place {
  source: string;
  default: boolean;
  versions: boolean;
  /** Whether the policy allows writing there. */
  writable: boolean;
  /** The policy line that would allow it; null if the place's mount is not known. */
  policy: string | null;
  /** Why its secrets can't be listed. */
  error?: { what: string; advice: string };
}

/** The secrets that are withheld from one notebook's kernels. */
export interface NotebookRule {
  notebook: string;
  without: string[];
}

/** Everything that the panel shows. */
export interface Listing {
  secrets: Secret[];
  places: Place[];
  fixed: { source: string; what: string }[];
  notebooks: NotebookRule[];
  /** The folder that notebook paths are relative to. */
  root: string;
  /** The running kernels, if no Jupyter server lists them. */
  running?: Running[];
}

/** A kernel that has a data source's variables. */
export interface SourceHolder {
  kernel: string;
  /** How many leases it has, and whether a keeper renews them. */
  leases: number;
  renewed: boolean;
}

/** A database or service that kernels connect to, without its password. */
export interface DataSource {
  name: string;
  source: string;
  kind?: string;
  at?: string | null;
  credentials?: string | null;
  variables?: string[];
  error?: { what: string; advice: string };
  kernels: SourceHolder[];
}

/** Who is logged in to Vault, from `login --status`, without the token. */
export interface LoginStatus {
  logged_in: boolean;
  state: string;
  address: string;
  user?: string | null;
  made_by?: string | null;
  policies?: string[] | null;
  until?: string | null;
  ends_soon?: boolean;
  message?: string;
  advice?: string;
}

/** The change that an import makes to one name. */
export interface Change {
  name: string;
  change: 'add' | 'replace' | 'same' | 'empty';
}

/** One version of a secret. */
export interface Version {
  version: number;
  time: string;
  change: string;
}

/** A refusal: by the program with its exit code, by the server with its status, or for lack of an answer. */
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

/** Whether a status means that the server no longer accepts this page's session. */
export function isOver(status: number): boolean {
  return [401, 403].includes(status);
}

/** The server extension, as the panel uses it. */
export class Requests {
  constructor(private readonly host: Host) {}

  /** How many requests are pending. */
  get pending(): number {
    return this._pending;
  }

  /** Emitted when a request begins or ends. */
  get pendingChanged(): ISignal<this, void> {
    return this._pendingChanged;
  }

  /** Names, versions, times and descriptions. */
  list(): Promise<Listing> {
    return this.send('secrets') as Promise<Listing>;
  }

  /** Who is logged in. */
  login(): Promise<LoginStatus> {
    return this.send('login_status') as Promise<LoginStatus>;
  }

  /** The data sources, and which kernels have them. */
  async sources(): Promise<DataSource[]> {
    const said = (await this.send('sources')) as { data_sources: DataSource[] };
    return said.data_sources;
  }

  /** One action, such as `set`, with its content. */
  act(action: string, content: object): Promise<unknown> {
    return this.send(action, content);
  }

  private async send(path: string, content?: object): Promise<unknown> {
    this.count(1);
    try {
      return await this.exchange(path, content);
    } finally {
      this.count(-1);
    }
  }

  private count(step: number): void {
    this._pending += step;
    this._pendingChanged.emit();
  }

  private async exchange(path: string, content?: object): Promise<unknown> {
    const init: RequestInit = { cache: 'no-store' };
    if (content) {
      init.method = 'POST';
      init.body = JSON.stringify(content);
      init.headers = { 'Content-Type': 'application/json' };
    }
    let response: Response;
    try {
      response = await this.host.send(path, init);
    } catch {
      throw new Refused('network', 0, ...this.host.gone);
    }
    const said = await response.json().catch(() => ({}));
    if (response.ok) {
      return said;
    }
    if (typeof said.code === 'number') {
      throw new Refused('program', said.code, said.message, said.advice);
    }
    const { status } = response;
    if (isOver(status)) {
      throw new Refused('server', status, ...this.host.over);
    }
    throw new Refused('server', status, said.message ?? '', '');
  }

  private _pending = 0;
  private _pendingChanged = new Signal<this, void>(this);
}
