/* policy_endpoint.h - roles that are played by OpenAI-compatible endpoints. */
#ifndef CSO_POLICY_ENDPOINT_H
#define CSO_POLICY_ENDPOINT_H

#include "endpoint/endpoint.h"
#include "policy.h"

/* Which service of a pool plays each role. */
typedef struct cso_endpoint_players {
    cso_endpoint_pool *pool;
    size_t service[CSO_ROLES];
} cso_endpoint_players;

/* A policy that asks the players, who outlive it. options (CSO_ROLES): of the roles. */
cso_policy cso_policy_of_endpoints(cso_endpoint_players *players, const cso_endpoint_options *options);

#endif
