// The plugin: the panel in the left side bar, and the commands.

import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';

import { Model } from './model';
import { SecretsPanel, apply } from './panel';
import { Requests } from './requests';

const icon = new LabIcon({
  name: 'jupyter-vault:secrets',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="M18 8h-1V6A5 5 0 0 0 7 6v2H6a2 2 0 0 0-2 2v10c0 1.1.9 2 2 2h12a2 2 0 0 0 2-2V10a2 2 0 0 0-2-2Zm-6 9a2 2 0 1 1 0-4 2 2 0 0 1 0 4Zm3-9H9V6a3 3 0 0 1 6 0v2Z"/>
</svg>`
});

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-vault:plugin',
  description: 'The Secrets section.',
  autoStart: true,
  optional: [ICommandPalette, ILayoutRestorer, INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_vault');
    const language = document.documentElement.lang || 'en';
    const { serverSettings, sessions } = app.serviceManager;
    const model = new Model(new Requests(serverSettings), sessions);
    const panel = new SecretsPanel(model, trans, language);
    panel.id = 'jupyter-vault-secrets';
    panel.title.icon = icon;
    panel.title.caption = trans.__('Secrets');
    panel.node.setAttribute('role', 'region');
    panel.node.setAttribute('aria-label', trans.__('Secrets'));
    app.shell.add(panel, 'left', { rank: 150, type: 'Secrets' });
    restorer?.add(panel, panel.id);

    const kernel = () => {
      const session = notebooks?.currentWidget?.sessionContext.session;
      return session?.kernel && { id: session.kernel.id, path: session.path };
    };
    app.commands.addCommand('jupyter-vault:show', {
      label: trans.__('Secrets'),
      icon,
      execute: () => app.shell.activateById(panel.id)
    });
    app.commands.addCommand('jupyter-vault:add', {
      label: trans.__('Add a Secret…'),
      execute: () => {
        app.shell.activateById(panel.id);
        panel.add();
      }
    });
    app.commands.addCommand('jupyter-vault:apply', {
      label: trans.__('Apply Secrets to This Notebook’s Kernel'),
      isEnabled: () => Boolean(kernel()),
      execute: async () => {
        const running = kernel();
        if (running) {
          const said = apply(model, [running], trans);
          const told = {
            pending: { message: trans.__('The kernel is asked …') },
            success: { message: (said: unknown) => String(said) },
            error: { message: (cause: unknown) => String(cause) }
          };
          Notification.promise(said, told);
          await said;
        }
      }
    });
    for (const command of ['show', 'add', 'apply']) {
      palette?.addItem({
        command: `jupyter-vault:${command}`,
        category: trans.__('Secrets')
      });
    }
  }
};

export default plugin;
