<?php
/**
 * The lower bound of a sync: prints only the same rows of the network as JSON.
 */

global $wpdb;
echo json_encode(
	array(
		'sites'    => $wpdb->get_results( "SELECT blog_id, site_id, domain, archived, spam, deleted FROM {$wpdb->blogs} ORDER BY blog_id", ARRAY_N ),
		'mappings' => $wpdb->get_results(
			"SELECT id, blog_id, domain, active, primary_domain, secure, stage, date_created, date_modified FROM {$wpdb->base_prefix}wu_domain_mappings ORDER BY id",
			ARRAY_N
		),
	)
);
