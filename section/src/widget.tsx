// The panel as a widget of JupyterLab's side bar.

import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { Model } from './model';
import { Section } from './panel';

export class SecretsPanel extends ReactWidget {
  constructor(private readonly model: Model) {
    super();
    this.addClass('jp-VaultSection');
  }

  /** Opens the form for a new secret, with that name filled in. */
  add(name = ''): void {
    this.adding = name;
    this.update();
  }

  protected onAfterShow(): void {
    this.model.show(true);
  }

  protected onAfterHide(): void {
    this.model.show(false);
  }

  protected render(): JSX.Element {
    const setAdding = (adding: string | null) => {
      this.adding = adding;
      this.update();
    };
    const { model, adding } = this;
    return <Section {...{ model, adding, setAdding }} />;
  }

  private adding: string | null = null;
}
