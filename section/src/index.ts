// The JupyterLab plugin: the panel in the left side bar, and the commands.

import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  ISessionContext,
  Notification
} from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';

import { apply, restart } from './apply';
import { connector } from './connector';
import { forget, missingVariable, offer } from './missing';
import { Running } from './host';
import { Lab } from './lab';
import { Model, asRefused } from './model';
import { SecretsPanel } from './widget';
import { explain } from './words';

const icon = new LabIcon({
  name: 'jupyter-vault:secrets',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="M18 8h-1V6A5 5 0 0 0 7 6v2H6a2 2 0 0 0-2 2v10c0 1.1.9 2 2 2h12a2 2 0 0 0 2-2V10a2 2 0 0 0-2-2Zm-6 9a2 2 0 1 1 0-4 2 2 0 0 1 0 4Zm3-9H9V6a3 3 0 0 1 6 0v2Z"/>
</svg>`
});

/** The session of an open notebook, console or editor that a kernel belongs to. */
function sessionOf(
  kernel: string,
  shell: JupyterFrontEnd.IShell
): ISessionContext | undefined {
  for (const widget of shell.widgets('main')) {
    const { sessionContext } = widget as { sessionContext?: ISessionContext };
    if (sessionContext?.session?.kernel?.id === kernel) {
      return sessionContext;
    }
  }
  return undefined;
}

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
    const connected = (kernel: string) => sessionOf(kernel, app.shell);
    const lab = new Lab(app.serviceManager, trans, language, connected);
    const model = new Model(lab);
    const panel = new SecretsPanel(model);
    panel.id = 'jupyter-vault-secrets';
    panel.title.icon = icon;
    panel.title.caption = trans.__('Secrets');
    panel.node.setAttribute('role', 'region');
    panel.node.setAttribute('aria-label', trans.__('Secrets'));
    app.shell.add(panel, 'left', { rank: 150, type: 'Secrets' });
    restorer?.add(panel, panel.id);

    /** The kernel of a notebook's session. */
    const kernelOf = (context: ISessionContext | undefined): Running | null => {
      const session = context?.session;
      return session?.kernel
        ? { id: session.kernel.id, path: session.path }
        : null;
    };
    const kernel = () => kernelOf(notebooks?.currentWidget?.sessionContext);
    const follow = () => model.setCurrent(kernel());
    notebooks?.currentChanged.connect((_, notebook) => {
      follow();
      notebook?.sessionContext.kernelChanged.connect(follow);
      notebook?.sessionContext.propertyChanged.connect(follow);
    });
    const add = (name?: string) => {
      app.shell.activateById(panel.id);
      panel.add(name);
    };
    /** Gives a kernel the secrets that it lacks, and shows the outcome in a notification. */
    const give = async (running: Running) => {
      const pending = Notification.emit(
        trans.__('Waiting for the kernel …'),
        'in-progress',
        { autoClose: false }
      );
      const applied = await apply(model, [running], trans);
      const isDone = applied.failed.length === 0;
      Notification.update({
        id: pending,
        message: applied.said,
        type: isDone ? 'success' : 'error',
        autoClose: isDone ? 5_000 : false,
        actions: applied.restartable.map(kernel => ({
          label: trans.__('Restart kernel'),
          callback: () => void restart(model, kernel, trans)
        }))
      });
      return applied;
    };
    NotebookActions.executed.connect(
      (_, { notebook, cell, success, error }) => {
        forget(cell);
        const name = !success && error ? missingVariable(error) : undefined;
        const widget = notebooks?.find(({ content }) => content === notebook);
        const running = kernelOf(widget?.sessionContext);
        if (name && running) {
          const switchOn = async (name: string, { path }: Running) => {
            try {
              await model.act('switch', { path, name, on: true });
              await give(running);
            } catch (cause) {
              Notification.error(explain(asRefused(cause), trans).join('. '));
            }
          };
          const ways = { add, apply: give, switchOn };
          void offer(name, running, cell, model, trans, ways);
        }
      }
    );
    app.commands.addCommand('jupyter-vault:show', {
      label: trans.__('Secrets'),
      icon,
      execute: () => app.shell.activateById(panel.id)
    });
    app.commands.addCommand('jupyter-vault:add', {
      label: trans.__('Add a Secret…'),
      execute: () => add()
    });
    app.commands.addCommand('jupyter-vault:apply', {
      label: trans.__('Apply Secrets to This Notebook’s Kernel'),
      isEnabled: () => Boolean(kernel()),
      execute: async () => {
        const running = kernel();
        if (running) {
          await give(running);
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

export default [plugin, connector];
