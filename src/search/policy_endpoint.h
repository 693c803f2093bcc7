/* policy_endpoint.h - roles that are played by OpenAI-compatible endpoints. */
#ifndef CSO_POLICY_ENDPOINT_H
#define CSO_POLICY_ENDPOINT_H

#include "endpoint/endpoint.h"
#include "policy.h"

/* A policy that asks the pool, whose services are the roles in their order. options (CSO_ROLES): the same that the pool has. */
cso_policy cso_policy_of_endpoints(cso_endpoint_pool *pool, const cso_endpoint_options *options);

#endif
