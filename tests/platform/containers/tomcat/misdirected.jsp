<%-- For a request that means another container: see rewrite.config. --%>
<%@ page session="false" %>
<% response.sendError(503); %>
