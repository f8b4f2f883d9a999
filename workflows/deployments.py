"""Versions of the worker side by side: which builds there are, and which takes new journeys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.enums.v1 import RoutingConfigUpdateState, WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from engine.errors import JourneysUnavailable, StackError
from engine.ledger.site import Site

_log = logging.getLogger(__name__)

ATTEMPTS = 150
ATTEMPT_SECONDS = 0.2
"""A build is known to Temporal a moment after its first worker asks for work."""

IN_PROGRESS = RoutingConfigUpdateState.ROUTING_CONFIG_UPDATE_STATE_IN_PROGRESS
_BUSY = RPCStatusCode.RESOURCE_EXHAUSTED
"""Where many workers start at once, Temporal has them ask again."""
_NOT_YET = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, _BUSY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A version of the worker. `share` is the percentage of new journeys that start on it.

    `status` is current, ramping, draining (journeys still run on it), drained, or inactive.
    """

    id: str
    status: str
    share: float
    journeys: int


def config(site: Site) -> WorkerDeploymentConfig | None:
    """How a worker takes part: journeys stay on the build they began on. None without a build."""
    if not site.worker_build:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(
            deployment_name=site.worker_deployment, build_id=site.worker_build
        ),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def join(client: Client, site: Site) -> None:
    """What a worker that runs does about its build: the first one of all is current at once."""
    if not site.worker_build:
        return
    info = await _insist(client, site.worker_deployment)
    current = info.routing_config.current_deployment_version.build_id
    if not current:
        await make_current(client, site.worker_deployment, site.worker_build)
    elif current != site.worker_build:
        _log.warning(
            "build %s works for journeys that began on it; new ones still go to %s until"
            " `tactful journeys deploy %s`",
            site.worker_build,
            current,
            site.worker_build,
        )


async def builds(client: Client, deployment: str) -> tuple[Build, ...]:
    """The builds that Temporal knows, newest first. Raises StackError if there is none."""
    info = await _described(client, deployment)
    if info is None:
        raise StackError(
            f"no worker of deployment {deployment!r} was ever here: start one with"
            " TACTFUL_WORKER_BUILD set"
        )
    routing = info.routing_config
    ramping = routing.ramping_deployment_version.build_id
    ramped = routing.ramping_version_percentage if ramping else 0.0
    shares = {routing.current_deployment_version.build_id: 100.0 - ramped, ramping: ramped}
    found: list[Build] = []
    for summary in sorted(info.version_summaries, key=lambda one: -one.create_time.ToNanoseconds()):
        build = summary.deployment_version.build_id
        status = WorkerDeploymentVersionStatus.Name(summary.status).rpartition("_")[2].lower()
        count = await _running_on(client, deployment, build)
        share = round(shares.get(build, 0.0), 2)
        found.append(Build(id=build, status=status, share=share, journeys=count))
    return tuple(found)


async def make_current(client: Client, deployment: str, build: str) -> None:
    """New journeys start on this build, and running ones move to it when they continue as new.

    Raises StackError when no worker of this build is there.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build
    )
    await _until_known(client, build, request)
    await _until_in_force(client, deployment)


async def ramp(client: Client, deployment: str, build: str, share: float) -> None:
    """This percentage of new journeys starts on this build. Raises StackError as `make_current`."""
    request = SetWorkerDeploymentRampingVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build, percentage=share
    )
    await _until_known(client, build, request)
    await _until_in_force(client, deployment)


async def _until_in_force(client: Client, deployment: str) -> None:
    """Temporal tells its task queues of a change a moment after it has taken it."""
    for _ in range(ATTEMPTS):
        info = await _insist(client, deployment)
        if info.routing_config_update_state != IN_PROGRESS:
            return
        await asyncio.sleep(ATTEMPT_SECONDS)


async def _until_known(
    client: Client,
    build: str,
    request: SetWorkerDeploymentCurrentVersionRequest | SetWorkerDeploymentRampingVersionRequest,
) -> None:
    service = client.workflow_service
    why: Sequence[str] = ()
    for _ in range(ATTEMPTS):
        try:
            if isinstance(request, SetWorkerDeploymentCurrentVersionRequest):
                await service.set_worker_deployment_current_version(request)
            else:
                await service.set_worker_deployment_ramping_version(request)
        except RPCError as error:
            if error.status not in _NOT_YET:
                raise JourneysUnavailable(f"Temporal did not take it: {error.message}") from error
            why = (error.message,)
            await asyncio.sleep(ATTEMPT_SECONDS)
        else:
            return
    raise StackError(f"no worker of build {build!r} is there ({', '.join(why)}): start one first")


async def _insist(client: Client, deployment: str) -> WorkerDeploymentInfo:
    for _ in range(ATTEMPTS):
        info = await _described(client, deployment, _NOT_YET)
        if info is not None:
            return info
        await asyncio.sleep(ATTEMPT_SECONDS)
    raise StackError(f"Temporal does not know the deployment {deployment!r} of this worker")


async def _described(
    client: Client,
    deployment: str,
    unknown: Sequence[RPCStatusCode] = (RPCStatusCode.NOT_FOUND,),
) -> WorkerDeploymentInfo | None:
    request = DescribeWorkerDeploymentRequest(
        namespace=client.namespace, deployment_name=deployment
    )
    try:
        described = await client.workflow_service.describe_worker_deployment(request)
    except RPCError as error:
        if error.status in unknown:
            return None
        raise JourneysUnavailable(f"Temporal did not tell its builds: {error.message}") from error
    return described.worker_deployment_info


async def _running_on(client: Client, deployment: str, build: str) -> int:
    query = (
        f"TemporalWorkerDeploymentVersion = '{deployment}:{build}' AND ExecutionStatus = 'Running'"
    )
    try:
        return (await client.count_workflows(query)).count
    except RPCError as error:
        raise JourneysUnavailable(f"Temporal did not count: {error.message}") from error
