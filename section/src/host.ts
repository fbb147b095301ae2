// The interface to the section's surroundings: JupyterLab, or the separate page.

import { TranslationBundle } from '@jupyterlab/translation';
import { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

/** A running kernel, and the notebook or console that uses it. */
export interface Running {
  id: string;
  path: string;
  /** Whether `path` is a notebook; the notebook of an editor's kernel is unknown. */
  notebook?: boolean;
}

/** A button of a notice. */
export interface Action {
  label: string;
  callback: () => void;
}

/** A notification. */
export interface Notice {
  message: string;
  isError?: boolean;
  action?: Action;
  /** How long it is shown, in milliseconds; by default until it is closed. */
  autoClose?: number;
}

/** A confirmation of something that can't be undone. */
export interface Question {
  title: string;
  body: string;
  /** The label of the button that confirms. */
  accept: string;
}

export interface Host {
  readonly trans: TranslationBundle;
  readonly language: string;
  /** The error and advice if the server does not answer. */
  readonly gone: [string, string];
  /** The error and advice if the server no longer accepts this page's session. */
  readonly over: [string, string];
  /** Sends a request to the section's server side. */
  send(path: string, init: RequestInit): Promise<Response>;
  confirm(question: Question): Promise<boolean>;
  notify(notice: Notice): void;
  copy(text: string): void;
  /** The running kernels; if absent, the list of secrets includes them. */
  running?(): Running[];
  readonly runningChanged?: ISignal<unknown, unknown>;
  /** Restarts a kernel; if absent, the user must restart it where it was started. */
  restart?(kernel: Running): Promise<void>;
  /** Reloads the page; absent if that would not help. */
  reload?(): void;
}

/** Renders again when a signal is emitted. */
export function useSignal(signal: ISignal<unknown, unknown>): void {
  const [, draw] = useReducer((turn: number) => turn + 1, 0);
  useEffect(() => {
    signal.connect(draw);
    return () => void signal.disconnect(draw);
  }, [signal]);
}
