// The section's surroundings in JupyterLab: dialogs, notifications, sessions and requests.

import {
  Clipboard,
  Dialog,
  ISessionContext,
  Notification,
  showDialog
} from '@jupyterlab/apputils';
import { URLExt } from '@jupyterlab/coreutils';
import {
  KernelAPI,
  ServerConnection,
  ServiceManager,
  Session
} from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { ISignal } from '@lumino/signaling';

import { Host, Notice, Question, Running } from './host';

export class Lab implements Host {
  /** `connected` returns this window's session with a kernel, if there is one. */
  constructor(
    manager: ServiceManager.IManager,
    readonly trans: TranslationBundle,
    readonly language: string,
    private readonly connected: (
      kernel: string
    ) => ISessionContext | undefined = () => undefined
  ) {
    this.settings = manager.serverSettings;
    this.sessions = manager.sessions;
    this.runningChanged = manager.sessions.runningChanged;
    this.gone = [trans.__('The Jupyter server does not answer.'), ''];
    this.over = [
      trans.__('Your session on the Jupyter server has ended.'),
      trans.__('Reload this page and log in again.')
    ];
  }

  readonly gone: [string, string];
  readonly over: [string, string];
  readonly runningChanged: ISignal<unknown, unknown>;

  send(path: string, init: RequestInit): Promise<Response> {
    const url = URLExt.join(this.settings.baseUrl, 'jupyter-vault', path);
    return ServerConnection.makeRequest(url, init, this.settings);
  }

  async confirm({ title, body, accept }: Question): Promise<boolean> {
    const buttons = [
      Dialog.cancelButton(),
      Dialog.warnButton({ label: accept })
    ];
    const answer = await showDialog({ title, body, buttons });
    return answer.button.accept;
  }

  notify({ message, isError, action, autoClose }: Notice): void {
    Notification.emit(message, isError ? 'error' : 'info', {
      autoClose: autoClose ?? false,
      actions: action ? [action] : []
    });
  }

  copy(text: string): void {
    Clipboard.copyToSystem(text);
  }

  running(): Running[] {
    return Array.from(this.sessions.running())
      .filter(session => session.kernel)
      .map(session => ({
        id: session.kernel?.id ?? '',
        path: session.path,
        notebook: true
      }));
  }

  /**
   * Restarts a kernel through its notebook's connection, and waits until that is connected again.
   * Otherwise a cell that is run at once might never get its reply.
   */
  restart({ id }: Running): Promise<void> {
    const session = this.connected(id);
    return session
      ? session.restartKernel()
      : KernelAPI.restartKernel(id, this.settings);
  }

  reload(): void {
    window.location.reload();
  }

  private readonly settings: ServerConnection.ISettings;
  private readonly sessions: Session.IManager;
}
