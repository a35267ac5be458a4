"""The subcommands of `create`: objects made from flags, as pkg/cmd/create makes them."""

from __future__ import annotations

from kubesim.cli.command import Command
from kubesim.cli.generators.basic import (
    DISRUPTION_BUDGET,
    NAMESPACE,
    PRIORITY_CLASS,
    QUOTA,
    SERVICE_ACCOUNT,
)
from kubesim.cli.generators.configmap import CONFIG_MAP
from kubesim.cli.generators.ingress import INGRESS
from kubesim.cli.generators.rbac import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from kubesim.cli.generators.secret import SECRET
from kubesim.cli.generators.service import SERVICE
from kubesim.cli.generators.tokens import TOKEN
from kubesim.cli.generators.workloads import CRON_JOB, DEPLOYMENT, JOB

GENERATORS: tuple[Command, ...] = (
    NAMESPACE,
    QUOTA,
    SECRET,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    SERVICE,
    DEPLOYMENT,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    DISRUPTION_BUDGET,
    PRIORITY_CLASS,
    JOB,
    CRON_JOB,
    INGRESS,
    TOKEN,
)
