// Stores other extensions' secrets in Vault: a connector for jupyter-secrets-manager, if the server's configuration
// enables it. That package saves on each key press; Vault gets the value when the typing pauses.

import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import {
  ITranslator,
  TranslationBundle,
  nullTranslator
} from '@jupyterlab/translation';
import {
  ISecret,
  ISecretsConnector,
  ISecretsList,
  ISecretsManager
} from 'jupyter-secrets-manager';

import { Lab } from './lab';
import { asRefused } from './model';
import { Requests } from './requests';
import { explain } from './words';

const PAUSE = 1_000;
/** The package's default connector, which keeps secrets until the page is closed. The package accepts only one. */
const THEIRS = 'jupyter-secrets-manager:connector';

class VaultConnector implements ISecretsConnector {
  constructor(
    private readonly requests: Requests,
    private readonly trans: TranslationBundle
  ) {
    // Do not lose the last input when the page is closed.
    document.addEventListener('visibilitychange', () => {
      for (const id of [...this.typed.keys()]) {
        void this.store(id);
      }
    });
  }

  async fetch(id: string): Promise<ISecret | undefined> {
    const typed = this.typed.get(id);
    if (typed) {
      return typed.secret;
    }
    const said = await this.act('fetch', { secret_id: id });
    return (said as { secret?: ISecret } | undefined)?.secret ?? undefined;
  }

  async save(id: string, secret: ISecret): Promise<void> {
    window.clearTimeout(this.typed.get(id)?.timer);
    const timer = window.setTimeout(() => void this.store(id), PAUSE);
    this.typed.set(id, { secret, timer });
  }

  async remove(id: string): Promise<void> {
    window.clearTimeout(this.typed.get(id)?.timer);
    this.typed.delete(id);
    await this.act('remove', { secret_id: id });
  }

  async list(namespace?: string): Promise<ISecretsList> {
    await Promise.all([...this.typed.keys()].map(id => this.store(id)));
    const said = await this.act('list', { namespace: namespace ?? '' });
    const values = (said as { secrets: ISecret[] } | undefined)?.secrets ?? [];
    const ids = values.map(({ namespace, id }) => `${namespace}:${id}`);
    return { ids, values };
  }

  /** Sends the inputs one after another, so that the last one is stored last. */
  private store(id: string): Promise<void> {
    const typed = this.typed.get(id);
    if (typed) {
      window.clearTimeout(typed.timer);
      this.storing = this.storing.then(async () => {
        await this.act('save', { secret_id: id, ...typed.secret });
        // Unless another key was pressed meanwhile.
        if (this.typed.get(id) === typed) {
          this.typed.delete(id);
        }
      });
    }
    return this.storing;
  }

  private async act(action: string, content: object): Promise<unknown> {
    try {
      return await this.requests.act(`connector/${action}`, content);
    } catch (cause) {
      const [what, advice] = explain(asRefused(cause), this.trans);
      const message = this.trans.__('Secrets of extensions: %1', what);
      Notification.error(`${message}. ${advice}`);
      return undefined;
    }
  }

  private storing = Promise.resolve();
  private readonly typed = new Map<
    string,
    { secret: ISecret; timer: number }
  >();
}

export const connector: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-vault:connector',
  description: 'Keeps the secrets of jupyter-secrets-manager in Vault.',
  autoStart: true,
  optional: [ISecretsManager, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: ISecretsManager | null,
    translator: ITranslator | null
  ) => {
    if (!manager || PageConfig.getOption('vaultConnector') !== 'true') {
      return;
    }
    const trans = (translator ?? nullTranslator).load('jupyter_vault');
    if (!PageConfig.Extension.isDisabled(THEIRS)) {
      const message = trans.__(
        'Secrets of extensions are not kept in Vault yet. Run this, and reload the page: %1',
        `jupyter labextension disable ${THEIRS}`
      );
      // Nothing could show it earlier.
      void app.restored.then(() =>
        Notification.warning(message, { autoClose: false })
      );
      return;
    }
    const language = document.documentElement.lang || 'en';
    const lab = new Lab(app.serviceManager, trans, language);
    manager.setConnector(new VaultConnector(new Requests(lab), trans));
  }
};
