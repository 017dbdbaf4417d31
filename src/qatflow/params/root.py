"""All of params.yaml, and what its sections ask of each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from qatflow.errors import nearest
from qatflow.params.base import Section
from qatflow.params.convert import ConvertParams
from qatflow.params.data import DataParams
from qatflow.params.deploy import DeployParams
from qatflow.params.distribution import DistributionParams
from qatflow.params.ensemble import EnsembleParams
from qatflow.params.evaluate import EvaluateParams
from qatflow.params.explain import ExplainParams
from qatflow.params.flow import FlowParams
from qatflow.params.model import ModelParams
from qatflow.params.monitoring import MonitoringParams
from qatflow.params.online import OnlineParams
from qatflow.params.plugins import PluginParams
from qatflow.params.pretrain import PretrainParams
from qatflow.params.quantize import QuantizeParams
from qatflow.params.release import ReleaseParams
from qatflow.params.serving import ServingParams
from qatflow.params.sweep import SweepParams
from qatflow.params.tracking import TrackingParams
from qatflow.params.transfer import TransferParams


class Params(Section):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    data: DataParams = DataParams()
    model: ModelParams = ModelParams()
    training: DistributionParams = DistributionParams()
    pretrain: PretrainParams = PretrainParams()
    transfer: TransferParams = TransferParams()
    quantize: QuantizeParams = QuantizeParams()
    convert: ConvertParams = ConvertParams()
    evaluate: EvaluateParams = EvaluateParams()
    ensemble: EnsembleParams = EnsembleParams()
    explain: ExplainParams = ExplainParams()
    release: ReleaseParams = ReleaseParams()
    deploy: DeployParams = DeployParams()
    serving: ServingParams = ServingParams()
    monitoring: MonitoringParams = MonitoringParams()
    online: OnlineParams = OnlineParams()
    tracking: TrackingParams = TrackingParams()
    flow: FlowParams = FlowParams()
    sweep: SweepParams = SweepParams()
    plugins: PluginParams = PluginParams()

    @property
    def is_foreign(self) -> bool:
        """Whether training begins with weights from elsewhere, so that nobody here knows what these were trained on."""
        return self.model.name == "file" or self.transfer.source != "none"

    @model_validator(mode="after")
    def _transfer_names_its_model(self) -> Params:
        if self.transfer.source in {"registry", "applications"} and not self.transfer.model:
            wanted = "models:/NAME@ALIAS" if self.transfer.source == "registry" else "a name such as MobileNetV2"
            raise ValueError(f"transfer.source {self.transfer.source} needs transfer.model: {wanted}")
        return self

    @model_validator(mode="after")
    def _something_is_trained(self) -> Params:
        transferred = self.transfer.source != "none"
        if self.pretrain.epochs == 0 and self.model.name != "file" and not transferred:
            raise ValueError(
                "pretrain.epochs 0 takes a model as it is; that needs model.name 'file', or a transfer.source"
            )
        return self

    @model_validator(mode="after")
    def _members_are_variants(self) -> Params:
        members = () if isinstance(self.ensemble.members, str) else self.ensemble.members
        unknown = [name for name in members if name not in self.quantize.variants]
        if unknown:
            raise ValueError(
                f"ensemble.members names {', '.join(unknown)}, not among quantize.variants: "
                f"{', '.join(self.quantize.variants)}.{nearest(unknown[0], self.quantize.variants)}"
            )
        return self

    @model_validator(mode="after")
    def _drift_is_measured(self) -> Params:
        if self.release.gates.get("explanation_drift") is not None and self.explain.samples == 0:
            raise ValueError(
                "release.gates.explanation_drift judges what explain.samples 0 never measures: set the gate to null, "
                "or explain.samples above 0"
            )
        return self

    @property
    def normalization(self) -> str:
        """The normalization asked for; a user's own model file gets data as they are unless told otherwise."""
        return "none" if self.data.normalize == "auto" and self.model.name == "file" else self.data.normalize


def known_keys(section: type[BaseModel] = Params, prefix: str = "") -> Iterator[str]:
    """Yield every dotted parameter name, such as `quantize.training.epochs`."""
    for name, field in section.model_fields.items():
        yield prefix + name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from known_keys(kind, f"{prefix}{name}.")
