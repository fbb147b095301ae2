// What the section needs of the place that it stands in: JupyterLab, or a page of its own.

import { TranslationBundle } from '@jupyterlab/translation';
import { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

/** A kernel that runs, and what uses it. */
export interface Running {
  id: string;
  path: string;
  /** Whether `path` is a notebook; a kernel of an editor has none that is known. */
  notebook?: boolean;
}

/** A button of a notice. */
export interface Action {
  label: string;
  callback: () => void;
}

/** A sentence that stays for a while, wherever the user looks meanwhile. */
export interface Notice {
  message: string;
  isError?: boolean;
  action?: Action;
  /** For how long it stays, in milliseconds; without it until it is closed. */
  autoClose?: number;
}

/** A question before what can't be undone. */
export interface Question {
  title: string;
  body: string;
  /** What the button says that does it. */
  accept: string;
}

export interface Host {
  readonly trans: TranslationBundle;
  readonly language: string;
  /** What is wrong, and what to do, when the server does not answer. */
  readonly gone: [string, string];
  /** The same when it no longer knows this page. */
  readonly over: [string, string];
  /** Sends a request to the server side of the section. */
  send(path: string, init: RequestInit): Promise<Response>;
  confirm(question: Question): Promise<boolean>;
  notify(notice: Notice): void;
  copy(text: string): void;
  /** The kernels that run; without it the list of secrets says so. */
  running?(): Running[];
  readonly runningChanged?: ISignal<unknown, unknown>;
  /** Restarts a kernel; without it the user does so where it was started. */
  restart?(kernel: Running): Promise<void>;
  /** Loads the page anew; without it that would not help. */
  reload?(): void;
}

/** Draws again when a signal is emitted. */
export function useSignal(signal: ISignal<unknown, unknown>): void {
  const [, draw] = useReducer((turn: number) => turn + 1, 0);
  useEffect(() => {
    signal.connect(draw);
    return () => void signal.disconnect(draw);
  }, [signal]);
}
