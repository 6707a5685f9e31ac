import { Component, type ComponentChildren } from "preact";
import { Failure } from "./Failure";

/** Where a fault of ours ends: the page says so instead of going blank. */
export class Boundary extends Component<{ children: ComponentChildren }, { error?: unknown }> {
  override state: { error?: unknown } = {};

  static override getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    return this.state.error === undefined ? this.props.children : <Failure error={this.state.error} />;
  }
}
